"""One board as a page of its own: no script, no address of anything else in it."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Final

from monitor.domain.boards.board import COLUMNS
from monitor.domain.boards.drawing import PanelData, TimeRange
from monitor.render.grafana.board import ReadyBoard
from monitor.render.preview.look import esc
from monitor.render.preview.panels import body

WIDTH: Final = 1440
_MARGIN: Final = 16
_CELL: Final = 30
_GAP: Final = 8
_HEAD: Final = 32
_PAD: Final = 10

_STYLE: Final = """
*{box-sizing:border-box}
body{margin:0;background:#111217;color:#ccccdc;font:13px/1.4 Inter,"Helvetica Neue",Arial,sans-serif}
main{width:1440px;margin:0 auto;padding:0 16px 24px}
header{display:flex;align-items:center;gap:12px;padding:14px 0 10px}
header h1{font-size:18px;font-weight:500;margin:0}
header .over{margin-left:auto;color:#9d9daf}
.vars{display:flex;gap:8px;padding-bottom:12px}
.vars span{border:1px solid #2e3138;border-radius:2px;overflow:hidden}
.vars i{font-style:normal;color:#6e9fff;background:#22252b;padding:5px 8px;display:inline-block}
.vars b{font-weight:400;padding:5px 8px;display:inline-block}
.note{background:#3a2f10;color:#f2cc0c;border-radius:2px;padding:5px 10px;margin:0 0 10px}
.grid{display:grid;grid-template-columns:repeat(24,1fr);grid-auto-rows:30px;gap:8px}
h2{font-size:15px;font-weight:500;margin:0;align-self:center}
h2::before{content:"\\2304";margin-right:8px;position:relative;top:-3px}
section{background:#181b1f;border:1px solid #25282e;border-radius:3px;overflow:hidden;position:relative}
section h3{font-size:13px;font-weight:500;margin:0;padding:7px 10px;height:32px;white-space:nowrap}
section h3 small{color:#f2cc0c;font-weight:400;margin-left:6px}
section>div.in{padding:0 9px}
svg{display:block;max-width:100%}
svg text{font-size:11px}
.none{color:#9d9daf;text-align:center;padding-top:24px}
.stats{display:flex;height:100%;gap:4px}
.stat{flex:1;display:flex;flex-direction:column;align-items:center;justify-content:center;position:relative;
border-radius:2px}
.stat b{font-weight:500;line-height:1.1;z-index:1;white-space:nowrap}
.stat .name{opacity:.8;z-index:1}
.stat .spark{position:absolute;left:0;right:0;bottom:0}
table{border-collapse:collapse;width:100%}
.legend td,.legend th{text-align:right;font-size:11px;height:19px;padding:0 6px;font-weight:400;white-space:nowrap;
border-bottom:1px solid #202329}
.legend th{color:#6e9fff}.legend td{color:#b8b8c8}
.legend td:first-child,.legend th:first-child{text-align:left;width:60%}
.legend i{display:inline-block;width:14px;height:4px;border-radius:2px;margin:0 8px 2px 0}
.table th{color:#6e9fff;font-weight:500;text-align:left;padding:6px 8px;border-bottom:1px solid #2e3138;font-size:12px}
.table td{padding:6px 8px;border-bottom:1px solid #202329}
.table .link{color:#6e9fff}
.bars{padding:6px 4px}
.bar{display:flex;align-items:center;gap:8px;height:30px}
.bar span{width:90px;text-align:right;color:#b8b8c8;white-space:nowrap;overflow:hidden}
.bar i{height:20px;max-width:calc(100% - 170px);opacity:.85}
.bar b{font-weight:400}
.logs{font:12px/1.5 ui-monospace,Menlo,Consolas,monospace}
.logs div{border-left:3px solid;padding:2px 8px;margin-bottom:2px;white-space:nowrap;overflow:hidden;color:#d5d5e3}
"""


def page(ready: ReadyBoard, data: Sequence[PanelData], span: TimeRange, *, source: str, sample: bool) -> str:
    """`data` is in the order of the board's panels; `source` says in words where they come from."""
    answers = iter(data)
    cells: list[str] = []
    for row in ready.rows:
        cells.append(f'<h2 style="grid-area:{row.y + 1}/1/span 1/span {COLUMNS}">{esc(row.title)}</h2>')
        cells.extend(_section(next(answers), place.x, place.y, span) for place in row.panels)
    note = '<p class="note">Sample data: every value on this page is made up.</p>' if sample else ""
    over = f"{_time(span.start)} to {_time(span.end)} UTC"
    head = f'<header><h1>{esc(ready.title)}</h1><span class="over">{over} &middot; {esc(source)}</span></header>'
    chosen = "".join(
        f"<span><i>{name}</i><b>{esc(value)}</b></span>"
        for name, value in (("Job", "bgmon"), ("Instance", "All"), ("Service", ready.service or "All"))
    )
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'\">"
        f"<title>{esc(ready.title)}</title><style>{_STYLE}</style></head><body><main>"
        f'{head}<div class="vars">{chosen}</div>{note}<div class="grid">{"".join(cells)}</div></main></body></html>\n'
    )


def _section(data: PanelData, x: int, y: int, span: TimeRange) -> str:
    panel = data.panel
    column = (WIDTH - 2 * _MARGIN - (COLUMNS - 1) * _GAP) / COLUMNS
    width = panel.width * column + (panel.width - 1) * _GAP - 2 * _PAD
    height = panel.height * _CELL + (panel.height - 1) * _GAP - _HEAD - _PAD
    badge = "<small>sample</small>" if data.sample else ""
    area = f"grid-area:{y + 1}/{x + 1}/span {panel.height}/span {panel.width}"
    return (
        f'<section style="{area}" title="{esc(panel.description)}"><h3>{esc(panel.title)}{badge}</h3>'
        f'<div class="in" style="height:{height}px">{body(data, width, height, span)}</div></section>'
    )


def _time(at: float) -> str:
    return datetime.fromtimestamp(at, tz=UTC).strftime("%Y-%m-%d %H:%M")
