// A stand-in for Loki in tests: it holds lines in memory and answers the few forms of metric query that bgmon sends.
// Templates, regular expressions, JSON and durations are Go's own and sprig's, which are also Loki's, so that what a
// query means is decided by the same code. It is no measure for anything else.
package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"os"
	"regexp"
	"sort"
	"strconv"
	"strings"
	"sync"
	"text/template"
	"time"

	"github.com/Masterminds/sprig"
)

type entry struct {
	labels map[string]string
	ts     int64
	line   string
}

var (
	mu      sync.Mutex
	entries []entry
)

// state is one line on its way through a pipeline.
type state struct {
	line   string
	labels map[string]string
	err    string
}

type stage func(*state) (bool, error)

type query struct {
	by      []string
	sum     bool // of an unwrapped label; else lines are counted
	unwrap  string
	match   []func(map[string]string) bool
	stages  []stage
	after   []stage // behind unwrap
	rangeNs int64
}

type parser struct {
	text string
	at   int
}

func (p *parser) space() {
	for p.at < len(p.text) && strings.ContainsRune(" \t\n", rune(p.text[p.at])) {
		p.at++
	}
}

func (p *parser) take(token string) bool {
	p.space()
	if strings.HasPrefix(p.text[p.at:], token) {
		p.at += len(token)
		return true
	}
	return false
}

func (p *parser) need(token string) {
	if !p.take(token) {
		panic(fmt.Errorf("parse error at col %d: expected %q before %.40q", p.at+1, token, p.text[p.at:]))
	}
}

var word = regexp.MustCompile(`^[a-zA-Z_][a-zA-Z0-9_]*`)

func (p *parser) word() string {
	p.space()
	found := word.FindString(p.text[p.at:])
	if found == "" {
		panic(fmt.Errorf("parse error at col %d: expected a name before %.40q", p.at+1, p.text[p.at:]))
	}
	p.at += len(found)
	return found
}

func (p *parser) str() string {
	p.space()
	prefix, err := strconv.QuotedPrefix(p.text[p.at:])
	if err != nil {
		panic(fmt.Errorf("parse error at col %d: expected a string before %.40q", p.at+1, p.text[p.at:]))
	}
	p.at += len(prefix)
	value, _ := strconv.Unquote(prefix)
	return value
}

func (p *parser) matcher() (string, func(string) bool) {
	name := p.word()
	for _, op := range []string{"=~", "!~", "!=", "="} {
		if !p.take(op) {
			continue
		}
		value := p.str()
		switch op {
		case "=":
			return name, func(s string) bool { return s == value }
		case "!=":
			return name, func(s string) bool { return s != value }
		}
		re := regexp.MustCompile("^(?:" + value + ")$")
		return name, func(s string) bool { return re.MatchString(s) == (op == "=~") }
	}
	panic(fmt.Errorf("parse error at col %d: expected an operator", p.at+1))
}

func parse(text string) (q *query, err error) {
	defer func() {
		if r := recover(); r != nil {
			err = r.(error)
		}
	}()
	p := &parser{text: text}
	q = &query{}
	p.need("sum")
	p.need("by")
	p.need("(")
	q.by = append(q.by, p.word())
	for p.take(",") {
		q.by = append(q.by, p.word())
	}
	p.need(")")
	p.need("(")
	if q.sum = p.take("sum_over_time"); !q.sum {
		p.need("count_over_time")
	}
	p.need("(")
	p.need("{")
	for {
		name, test := p.matcher()
		q.match = append(q.match, func(labels map[string]string) bool { return test(labels[name]) })
		if !p.take(",") {
			break
		}
	}
	p.need("}")
	for p.take("|") {
		switch {
		case p.take("="), p.take("~"):
			p.at--
			pattern := p.text[p.at] == '~'
			p.at++
			q.stages = append(q.stages, lineStage(p.str(), pattern))
		case p.take("decolorize"):
			q.stages = append(q.stages, decolorize)
		case p.take("line_format"):
			q.stages = append(q.stages, lineFormatStage(p.str()))
		case p.take("regexp"):
			q.stages = append(q.stages, regexpStage(p.str()))
		case p.take("label_format"):
			name := p.word()
			p.need("=")
			q.stages = append(q.stages, formatStage(name, p.str()))
		case p.take("drop"):
			names := []string{p.word()}
			for p.take(",") {
				names = append(names, p.word())
			}
			q.stages = append(q.stages, dropStage(names))
		case p.take("unwrap"):
			q.unwrap = p.word()
		default:
			name, test := p.matcher()
			filter := func(s *state) (bool, error) {
				if name == "__error__" {
					return test(s.err), nil
				}
				return test(s.labels[name]), nil
			}
			if q.unwrap == "" {
				q.stages = append(q.stages, filter)
			} else {
				q.after = append(q.after, filter)
			}
		}
	}
	p.need("[")
	end := strings.Index(p.text[p.at:], "]")
	length, durationErr := time.ParseDuration(p.text[p.at : p.at+end])
	if durationErr != nil {
		panic(durationErr)
	}
	q.rangeNs = length.Nanoseconds()
	p.at += end + 1
	p.need(")")
	p.need(")")
	p.space()
	if p.at != len(p.text) {
		panic(fmt.Errorf("parse error at col %d: unexpected %.40q", p.at+1, p.text[p.at:]))
	}
	return q, nil
}

func regexpStage(pattern string) stage {
	re := regexp.MustCompile(pattern)
	names := re.SubexpNames()
	return func(s *state) (bool, error) {
		for i, value := range re.FindStringSubmatch(s.line) {
			if names[i] != "" {
				s.labels[names[i]] = value
			}
		}
		return true, nil
	}
}

// lineStage keeps lines that hold a text or match a pattern.
func lineStage(text string, pattern bool) stage {
	if !pattern {
		return func(s *state) (bool, error) { return strings.Contains(s.line, text), nil }
	}
	re := regexp.MustCompile(text)
	return func(s *state) (bool, error) { return re.MatchString(s.line), nil }
}

// What Loki's decolorize takes out.
var ansi = regexp.MustCompile("[\u001B\u009B][[\\]()#;?]*(?:(?:(?:[a-zA-Z\\d]*(?:;[a-zA-Z\\d]*)*)?\u0007)|(?:(?:\\d{1,4}(?:;\\d{0,4})*)?[\\dA-PRZcf-ntqry=><~]))")

func decolorize(s *state) (bool, error) {
	s.line = ansi.ReplaceAllString(s.line, "")
	return true, nil
}

func lineFormatStage(text string) stage {
	format := formatStage("", text)
	return func(s *state) (bool, error) {
		ok, err := format(s)
		if made, found := s.labels[""]; found {
			s.line = made
			delete(s.labels, "")
		}
		return ok, err
	}
}

func formatStage(name, text string) stage {
	var line string
	functions := template.FuncMap{
		"__line__": func() string { return line },
		"count": func(pattern, s string) (int, error) {
			re, err := regexp.Compile(pattern)
			if err != nil {
				return 0, err
			}
			return len(re.FindAllStringIndex(s, -1)), nil
		},
		"regexReplaceAll": func(pattern, s, replacement string) (string, error) {
			re, err := regexp.Compile(pattern)
			if err != nil {
				return "", err
			}
			return re.ReplaceAllString(s, replacement), nil
		},
		"duration_seconds": func(s string) (float64, error) {
			d, err := time.ParseDuration(s)
			return d.Seconds(), err
		},
	}
	generic := sprig.GenericFuncMap()
	for _, known := range []string{
		"fromJson", "float64", "floor", "hasPrefix", "contains", "lower", "replace", "trimAll", "trimPrefix", "trimSuffix", "addf", "mulf",
	} {
		functions[known] = generic[known]
	}
	compiled := template.Must(template.New("label").Option("missingkey=zero").Funcs(functions).Parse(text))
	return func(s *state) (bool, error) {
		line = s.line
		var out bytes.Buffer
		if err := compiled.Execute(&out, s.labels); err != nil {
			s.err = "TemplateFormatErr"
			return true, nil
		}
		s.labels[name] = out.String()
		return true, nil
	}
}

func dropStage(names []string) stage {
	return func(s *state) (bool, error) {
		for _, name := range names {
			if name == "__error__" {
				s.err = ""
			} else {
				delete(s.labels, name)
			}
		}
		return true, nil
	}
}

func run(stages []stage, s *state) (bool, error) {
	for _, one := range stages {
		ok, err := one(s)
		if err != nil || !ok {
			return false, err
		}
	}
	return true, nil
}

// eval gives the value of each group at each of the times, which are nanoseconds.
func (q *query) eval(times []int64) (map[string]map[int64]float64, map[string]map[string]string, error) {
	values, groups := map[string]map[int64]float64{}, map[string]map[string]string{}
	for _, e := range entries {
		selected := true
		for _, test := range q.match {
			selected = selected && test(e.labels)
		}
		inside := sort.Search(len(times), func(i int) bool { return times[i] >= e.ts })
		if !selected || inside == len(times) || e.ts <= times[inside]-q.rangeNs {
			continue
		}
		s := &state{line: e.line, labels: map[string]string{}}
		for name, value := range e.labels {
			s.labels[name] = value
		}
		ok, err := run(q.stages, s)
		if err != nil {
			return nil, nil, err
		}
		if !ok {
			continue
		}
		amount := 1.0
		if q.sum {
			if s.labels[q.unwrap] == "" {
				continue
			}
			if amount, err = strconv.ParseFloat(s.labels[q.unwrap], 64); err != nil {
				s.err = "SampleExtractionErr"
			}
			if ok, err = run(q.after, s); err != nil || !ok {
				continue
			}
		}
		if s.err != "" {
			return nil, nil, fmt.Errorf("pipeline error: '%s' for series: '%v'.", s.err, s.labels)
		}
		group := map[string]string{}
		for _, name := range q.by {
			if s.labels[name] != "" {
				group[name] = s.labels[name]
			}
		}
		key := fmt.Sprint(group)
		groups[key] = group
		if values[key] == nil {
			values[key] = map[int64]float64{}
		}
		for i := inside; i < len(times) && e.ts > times[i]-q.rangeNs; i++ {
			values[key][times[i]] += amount
		}
	}
	return values, groups, nil
}

func answer(w http.ResponseWriter, r *http.Request) {
	mu.Lock()
	defer mu.Unlock()
	q, err := parse(r.FormValue("query"))
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	var times []int64
	instant := strings.HasSuffix(r.URL.Path, "/query")
	if instant {
		at, _ := strconv.ParseInt(r.FormValue("time"), 10, 64)
		times = []int64{at}
	} else {
		start, _ := strconv.ParseInt(r.FormValue("start"), 10, 64)
		end, _ := strconv.ParseInt(r.FormValue("end"), 10, 64)
		step, _ := time.ParseDuration(r.FormValue("step"))
		for at := start * 1e9; at <= end*1e9; at += step.Nanoseconds() {
			times = append(times, at)
		}
	}
	values, groups, err := q.eval(times)
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	if most, _ := strconv.Atoi(os.Getenv("MAX_SERIES")); most > 0 && len(groups) > most {
		text := fmt.Sprintf("maximum number of series (%d) reached for a single query; consider reducing query cardinality", most)
		http.Error(w, text, http.StatusBadRequest)
		return
	}
	result := []any{}
	for key, group := range groups {
		pairs := []any{}
		for _, at := range times {
			if value, ok := values[key][at]; ok {
				pairs = append(pairs, []any{float64(at) / 1e9, strconv.FormatFloat(value, 'f', -1, 64)})
			}
		}
		if instant {
			result = append(result, map[string]any{"metric": group, "value": pairs[0]})
		} else {
			result = append(result, map[string]any{"metric": group, "values": pairs})
		}
	}
	kind := "matrix"
	if instant {
		kind = "vector"
	}
	w.Header().Set("Content-Type", "application/json; charset=UTF-8")
	json.NewEncoder(w).Encode(map[string]any{
		"status": "success", "data": map[string]any{"resultType": kind, "result": result, "stats": map[string]any{}},
	})
}

// push takes [[labels, nanoseconds as text, line in base64], ...]; reset=1 forgets all others first.
func push(w http.ResponseWriter, r *http.Request) {
	mu.Lock()
	defer mu.Unlock()
	var items []struct {
		Labels map[string]string
		Ts     string
		Line   []byte
	}
	if err := json.NewDecoder(r.Body).Decode(&items); err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	if r.URL.Query().Get("reset") != "" {
		entries = nil
	}
	for _, item := range items {
		ts, _ := strconv.ParseInt(item.Ts, 10, 64)
		entries = append(entries, entry{item.Labels, ts, string(item.Line)})
	}
}

func main() {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		panic(err)
	}
	fmt.Println(listener.Addr().(*net.TCPAddr).Port)
	http.HandleFunc("/push", push)
	http.HandleFunc("/loki/api/v1/query", answer)
	http.HandleFunc("/loki/api/v1/query_range", answer)
	panic(http.Serve(listener, nil))
}
