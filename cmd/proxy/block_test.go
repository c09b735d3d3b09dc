package main_test

import (
	"archive/zip"
	"bytes"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"regexp"
	"slices"
	"strings"

	"github.com/rogpeppe/go-internal/testscript"
)

// block is one request and the expected answer, written as
//
//	### title
//	METHOD path
//	Header: value
//
//	body
//
//	HTTP code [eventually]
//	Header: regexp
//	assertion
//
// A path that begins with a slash is taken from the root, others from the API's own path. Variables
// ($NAME, ${NAME}) are replaced in path and headers, in the body as {{$NAME}}; there {{base64
// FILE}}, {{file FILE}} and {{document FILE}} insert a file: encoded, as it is, or as an entry of
// documents[] that asks for PAdES. {{xades FILE}} and {{cades FILE}} are entries that ask for XAdES
// and CAdES; FILE may be followed by more members of signatureInfo without braces. "eventually"
// repeats the request until all assertions hold.
//
// Assertions on a JSON body begin with a path as .documentList[0].name:
//
//	.path = text        it is that text or number        .path ~ regexp   its text matches
//	.path exists        .path absent                     .path count N    it is an array of N
//	.path -> NAME       keep its text as a variable
//	.path signs FILE    it is base64 of FILE, signed; FILE detached = of the signature alone
//	.path saves FILE    write FILE, which it is base64 of
//	.path signatures N  it is base64 of an XML document or a CMS file with N signatures
//
// and on the raw body: "body ~ regexp", "body lacks text", "body -> FILE", "body signs FILE",
// "zip NAME signs FILE", "zip count N". "no Header" checks that a header is absent.
type block struct {
	title, method, path string
	headers             []header
	body                string
	code                int
	eventually          bool
	want                []string
}

type header struct{ name, value string }

// parseBlocks splits a file into blocks.
func parseBlocks(text string) ([]block, error) {
	var blocks []block
	for part := range strings.SplitSeq("\n"+text, "\n### ") {
		if strings.TrimSpace(part) == "" {
			continue
		}
		b, err := parseBlock(part)
		if err != nil {
			return nil, fmt.Errorf("block %q: %w", b.title, err)
		}
		blocks = append(blocks, b)
	}
	if len(blocks) == 0 {
		return nil, errors.New("no blocks")
	}
	return blocks, nil
}

var answerLine = regexp.MustCompile(`(?m)^HTTP (\d{3})( eventually)?$`)

func parseBlock(text string) (b block, err error) {
	at := answerLine.FindStringSubmatchIndex(text)
	b.title, _, _ = strings.Cut(text, "\n")
	if at == nil {
		return b, errors.New("no line HTTP code")
	}
	request := text[len(b.title)+1 : at[0]]
	if b.code, err = atoi(text[at[2]:at[3]]); err != nil {
		return b, err
	}
	b.eventually = at[4] >= 0
	for line := range strings.Lines(text[at[1]:]) {
		if line = strings.TrimSpace(line); line != "" && !strings.HasPrefix(line, "#") {
			b.want = append(b.want, line)
		}
	}
	head, body, _ := strings.Cut(request, "\n\n")
	b.body = strings.TrimSuffix(body, "\n")
	b.body = strings.TrimSuffix(b.body, "\n")
	for i, line := range strings.Split(strings.TrimSpace(head), "\n") {
		var ok bool
		if i == 0 {
			b.method, b.path, ok = strings.Cut(line, " ")
		} else {
			var h header
			h.name, h.value, ok = strings.Cut(line, ": ")
			b.headers = append(b.headers, h)
		}
		if !ok {
			return b, fmt.Errorf("line %q cannot stand in a request's head", line)
		}
	}
	return b, nil
}

var insertion = regexp.MustCompile(`\{\{(\$|\w+ )([^}]+)\}\}`)

// content is the body with everything inserted. A multipart body gets the line ends that RFC 2046
// requires.
func (b *block) content(ts *testscript.TestScript) ([]byte, error) {
	text := b.body
	if slices.ContainsFunc(b.headers, func(h header) bool { return strings.HasPrefix(h.value, "multipart/") }) {
		text = strings.ReplaceAll(text, "\n", "\r\n")
	}
	var fault error
	out := insertion.ReplaceAllStringFunc(text, func(s string) string {
		m := insertion.FindStringSubmatch(s)
		if m[1] == "$" {
			return ts.Getenv(m[2])
		}
		if typ, ok := entryTypes[strings.TrimSpace(m[1])]; ok {
			name, members, _ := strings.Cut(m[2], " ")
			return entry(name, ts.ReadFile(name), typ, members)
		}
		content := ts.ReadFile(m[2])
		encoded := base64.StdEncoding.EncodeToString([]byte(content))
		switch strings.TrimSpace(m[1]) {
		case "base64":
			return encoded
		case "file":
			return content
		}
		fault = fmt.Errorf("%s: nothing of that name can be inserted", s)
		return ""
	})
	return []byte(out), fault
}

// entryTypes are the types of signatures of the entries of documents[] that can be inserted.
var entryTypes = map[string]string{"document": "PAdES", "xades": "XAdES", "cades": "CAdES"}

// entryMedia are the media types of such entries.
var entryMedia = map[string]string{"PAdES": "application/pdf", "XAdES": "application/xml", "CAdES": "text/plain"}

// entry returns an entry of documents[]. members are further members of signatureInfo.
func entry(name, content, typ, members string) string {
	if members != "" {
		members = "," + members
	}
	return fmt.Sprintf(`{"documentRequest":{"externalReference":%q,"name":%[1]q,"contentType":%q,"base64Content":%q},`+
		`"signatureInfo":{"signatureType":%q%s}}`,
		name, entryMedia[typ], base64.StdEncoding.EncodeToString([]byte(content)), typ, members)
}

// answer is the answer to a request.
type answer struct {
	status int
	header http.Header
	body   []byte
	json   any // nil if the body is not JSON
}

func readAnswer(resp *http.Response) (*answer, error) {
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		return nil, fmt.Errorf("read answer: %w", err)
	}
	a := &answer{status: resp.StatusCode, header: resp.Header, body: body}
	dec := json.NewDecoder(bytes.NewReader(body))
	dec.UseNumber()
	if dec.Decode(&a.json) != nil {
		a.json = nil
	}
	return a, nil
}

// check compares the answer with the assertions of the block.
func (a *answer) check(ts *testscript.TestScript, b block) error {
	if a.status != b.code {
		return fmt.Errorf("status %d, want %d; body %.600s", a.status, b.code, a.body)
	}
	for _, want := range b.want {
		if err := a.assert(ts, os.Expand(want, ts.Getenv)); err != nil {
			return fmt.Errorf("%s: %w; body %.600s", want, err, a.body)
		}
	}
	return nil
}

func (a *answer) assert(ts *testscript.TestScript, want string) error {
	subject, rest, _ := strings.Cut(want, " ")
	switch {
	case strings.HasPrefix(subject, "."):
		return a.assertJSON(ts, subject, rest)
	case subject == "body":
		return a.assertBody(ts, rest)
	case subject == "zip":
		return a.assertZip(ts, rest)
	case subject == "no":
		if a.header.Get(rest) != "" {
			return fmt.Errorf("it is %q", a.header.Get(rest))
		}
		return nil
	case strings.HasSuffix(subject, ":"):
		return match(a.header.Get(strings.TrimSuffix(subject, ":")), rest)
	}
	return errors.New("cannot be understood")
}

func (a *answer) assertBody(ts *testscript.TestScript, want string) error {
	op, arg, _ := strings.Cut(want, " ")
	switch op {
	case "~":
		return match(string(a.body), arg)
	case "lacks":
		if at := bytes.Index(a.body, []byte(arg)); at >= 0 {
			return fmt.Errorf("it stands at byte %d", at)
		}
		return nil
	case "->":
		return os.WriteFile(ts.MkAbs(arg), a.body, 0o600)
	case "signs":
		return signs(ts, arg, a.body)
	}
	return errors.New("cannot be understood")
}

func (a *answer) assertZip(ts *testscript.TestScript, want string) error {
	archive, err := zip.NewReader(bytes.NewReader(a.body), int64(len(a.body)))
	if err != nil {
		return err
	}
	if n, ok := strings.CutPrefix(want, "count "); ok {
		return equal(fmt.Sprint(len(archive.File)), n)
	}
	name, original, ok := strings.Cut(want, " signs ")
	if !ok {
		return errors.New("cannot be understood")
	}
	for _, f := range archive.File {
		if f.Name != name {
			continue
		}
		r, err := f.Open()
		if err != nil {
			return err
		}
		content, err := io.ReadAll(r)
		if err != nil {
			return err
		}
		return signs(ts, original, content)
	}
	return fmt.Errorf("no entry %s", name)
}

func (a *answer) assertJSON(ts *testscript.TestScript, path, want string) error {
	op, arg, _ := strings.Cut(want, " ")
	v, found := lookup(a.json, path)
	if op == "absent" {
		if found {
			return fmt.Errorf("it is %.100v", v)
		}
		return nil
	}
	if !found {
		return errors.New("it is absent")
	}
	switch op {
	case "exists":
		return nil
	case "=":
		return equal(fmt.Sprint(v), arg)
	case "~":
		return match(fmt.Sprint(v), arg)
	case "count":
		list, _ := v.([]any)
		return equal(fmt.Sprint(len(list)), arg)
	case "->":
		ts.Setenv(arg, fmt.Sprint(v))
		return nil
	case "signs", "signatures", "saves":
		content, err := base64.StdEncoding.DecodeString(fmt.Sprint(v))
		if err != nil {
			return err
		}
		switch op {
		case "signs":
			return signs(ts, arg, content)
		case "saves":
			return os.WriteFile(ts.MkAbs(arg), content, 0o600)
		}
		n, err := signaturesIn(content)
		return errors.Join(err, equal(fmt.Sprint(n), arg))
	}
	return errors.New("cannot be understood")
}

var step = regexp.MustCompile(`^(?:\.([^.\[\]]+)|\[(\d+)\])`)

// lookup returns the value at a path like .a[0].b. The path "." is the whole value.
func lookup(v any, path string) (any, bool) {
	if path == "." {
		return v, v != nil
	}
	path = strings.TrimPrefix(path, ".")
	if !strings.HasPrefix(path, "[") {
		path = "." + path
	}
	for path != "" {
		m := step.FindStringSubmatch(path)
		if m == nil {
			return nil, false
		}
		path = path[len(m[0]):]
		if m[1] != "" {
			object, _ := v.(map[string]any)
			var ok bool
			if v, ok = object[m[1]]; !ok {
				return nil, false
			}
			continue
		}
		list, _ := v.([]any)
		i, err := atoi(m[2])
		if err != nil || i >= len(list) {
			return nil, false
		}
		v = list[i]
	}
	return v, true
}

func equal(got, want string) error {
	if got != want {
		return fmt.Errorf("it is %q", got)
	}
	return nil
}

func match(got, pattern string) error {
	re, err := regexp.Compile(pattern)
	if err != nil {
		return err
	}
	if !re.MatchString(got) {
		return fmt.Errorf("it is %.300q", got)
	}
	return nil
}
