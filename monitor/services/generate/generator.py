"""The story of `bgmon generate`: look at the folder, decide the fate of each file, write what changed."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass

from monitor.domain.boards.generated import CONFLICTS, DRIFT, Change, Manifest, file_fates, tombstones, untouched
from monitor.errors import GenerateError
from monitor.ports.generate import OutputFolder
from monitor.render.grafana_alerts import FOLDER as ALERTING
from monitor.render.grafana_alerts import deletions
from monitor.render.render_all import GeneratedFiles
from monitor.services.generate.manifest import FILE, manifest_bytes, read_manifest

DELETIONS = f"{ALERTING}/deletions.yaml"


@dataclass(frozen=True, slots=True)
class Plan:
    """What a run would do. `manifest` is the one it leaves."""

    changes: tuple[Change, ...]
    earlier: Manifest
    manifest: Manifest
    manifest_before: bytes | None

    @property
    def drift(self) -> bool:
        return any(change.fate in DRIFT for change in self.changes)

    @property
    def conflicts(self) -> tuple[Change, ...]:
        return tuple(change for change in self.changes if change.fate in CONFLICTS)


def family(path: str) -> str:
    """What `--only` names it by: the first folder, or `compose`."""
    return path.partition("/")[0].partition(".")[0]


def make_plan(
    render: Callable[[], GeneratedFiles],
    folder: OutputFolder,
    *,
    inputs: str = "",
    only: Collection[str] = (),
    force: bool = False,
) -> Plan:
    """Decide; nothing is written.

    Args:
        render: makes the files; not called when nothing has changed since the last run.
        folder: where they go.
        inputs: the hash of everything that they are made from; empty when it is not known.
        only: families; all others stay as they are.
        force: write over files of ours that were edited by hand.

    Raises:
        GenerateError: the folder cannot be read.
    """
    manifest_before = folder.read(FILE)
    earlier = read_manifest(manifest_before)
    if inputs and inputs == earlier.inputs and not only:
        same = untouched(folder.read, earlier)
        if same is not None:
            return Plan(tuple(same), earlier, earlier, manifest_before)
    rendered = render()
    files = dict(rendered.files)
    names, graves = dict(earlier.names), dict(earlier.tombstones)
    if not only or "grafana" in only:
        names = {kind: tuple(sorted(uids)) for kind, uids in rendered.names.items()}
        graves = tombstones(earlier, names)
        if graves:
            files[DELETIONS] = deletions(graves)
    wanted = {path: text for path, text in files.items() if not only or family(path) in only}
    mine = Manifest(_of(earlier.files, only), _of(earlier.pending, only))
    changes = file_fates(wanted, folder.read, mine, force=force)
    kept = {path: known for path, known in earlier.files.items() if only and family(path) not in only}
    hashes = {change.path: change.hash for change in changes if change.hash}
    return Plan(
        tuple(changes), earlier, Manifest(kept | hashes, {}, names, graves, "" if only else inputs), manifest_before
    )


def carry_out(plan: Plan, folder: OutputFolder) -> None:
    """Write what is new or changed, and remove what is gone: all of it, or nothing where a person's file is in the way.

    Raises:
        GenerateError: a conflict, or the folder cannot be written. A later run picks up where this one stopped.
    """
    if plan.conflicts:
        raise _refusal(plan.conflicts)
    work = [change for change in plan.changes if change.fate in DRIFT]
    after = manifest_bytes(plan.manifest)
    if work:
        # Named before they are written, so that files of a run that was cut off are still known as ours.
        pending = {change.path: change.hash for change in work if change.after is not None}
        intent = Manifest(plan.earlier.files, pending, plan.earlier.names, plan.earlier.tombstones)
        folder.write(FILE, manifest_bytes(_with_names(intent, plan.manifest)))
    for change in work:
        if change.after is None:
            folder.remove(change.path)
        else:
            folder.write(change.path, change.after.encode())
    if work or plan.manifest_before != after:
        folder.write(FILE, after)


def _with_names(intent: Manifest, final: Manifest) -> Manifest:
    """Grafana may read the new files before the run ends, so that their names count from now on."""
    kinds = {*intent.names, *final.names}
    names = {kind: tuple(sorted({*intent.names.get(kind, ()), *final.names.get(kind, ())})) for kind in kinds}
    return Manifest(intent.files, intent.pending, names, intent.tombstones)


def _of(hashes: Mapping[str, str], only: Collection[str]) -> dict[str, str]:
    return {path: known for path, known in hashes.items() if not only or family(path) in only}


def _refusal(conflicts: tuple[Change, ...]) -> GenerateError:
    lines = [
        f"{change.path}: " + ("was edited by hand" if change.fate == "edited" else "is there and was not made by bgmon")
        for change in conflicts
    ]
    hints: list[str] = []
    if any(change.fate == "edited" for change in conflicts):
        hints.append("--force writes over what was edited (see it with --diff)")
    if any(change.fate == "foreign" for change in conflicts):
        hints.append("move foreign files away, or choose another folder with --out")
    return GenerateError("nothing was written:\n" + "\n".join(lines), hint="; ".join(hints))
