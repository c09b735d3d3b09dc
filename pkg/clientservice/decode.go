package clientservice

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"unicode/utf8"

	"github.com/signstash-proxy/signstash-proxy/pkg/internal/secretfile"
)

// MaxFileBytes bounds a client-services file. It has room for thousands of client services, some
// with an image. (A Kubernetes Secret holds at most 1 MiB.)
const MaxFileBytes = 16 << 20

// FileName is the usual name of the file, in the work folder or in the mounted Secret.
const FileName = "client-services-config.json"

// Decode reads a whole client-services file. It refuses unknown and repeated keys, trailing data,
// and everything that Validate refuses. The error is an *InvalidError with every mistake. It names
// client service and field, but never a value that could be a secret.
func Decode(data []byte) (*Services, error) {
	var m mistakes
	// Windows editors write a byte order mark at the start. RFC 8259 section 8.1 allows a reader to
	// ignore it.
	data = bytes.TrimPrefix(data, []byte("\ufeff"))
	switch {
	case len(data) > MaxFileBytes:
		m.add("", "", "the file is larger than %d bytes", MaxFileBytes)
	case !utf8.Valid(data):
		m.add("", "", "the file is not UTF-8")
	default:
		if text := syntaxMistake(data); text != "" {
			m.add("", "", "%s", text)
		}
	}
	if err := m.err(); err != nil {
		return nil, err
	}
	entries, ok := readObject(data)
	if !ok {
		m.add("", "", "want a JSON object keyed by client service id")
		return nil, m.err()
	}
	s := &Services{byID: make(map[string]*ClientService, len(entries))}
	for _, e := range entries {
		c := decodeEntry(e, &m)
		if s.byID[e.name] != nil {
			m.add(e.name, "", "occurs twice")
		}
		s.byID[e.name] = c
	}
	if err := m.err(); err != nil {
		return nil, err
	}
	return s, nil
}

// ReadFile reads and decodes the file at path. It wraps errors of the file system, so
// errors.Is(err, fs.ErrNotExist) works. Other errors are those of Decode.
func ReadFile(path string) (*Services, error) {
	data, err := readFile(path)
	if err != nil {
		return nil, err
	}
	s, err := Decode(data)
	if err != nil {
		return nil, fmt.Errorf("read client services from %s: %w", path, err)
	}
	return s, nil
}

func readFile(path string) ([]byte, error) {
	data, err := secretfile.Bounded(path, MaxFileBytes)
	if err != nil {
		return nil, fmt.Errorf("read client services: %w", err)
	}
	return data, nil
}

// syntaxMistake describes where data stops being one JSON value. It returns an empty text if data
// is one. It does not use the error text of encoding/json, because that quotes the offending
// character, which may be part of a secret.
func syntaxMistake(data []byte) string {
	if len(bytes.TrimSpace(data)) == 0 {
		return "the file is empty; without clients it is {}"
	}
	var any json.RawMessage
	err := json.Unmarshal(data, &any)
	if err == nil {
		return ""
	}
	var syntax *json.SyntaxError
	if !errors.As(err, &syntax) {
		return "not JSON"
	}
	at := data[:min(max(int(syntax.Offset)-1, 0), len(data))]
	line := bytes.Count(at, []byte("\n")) + 1
	column := utf8.RuneCount(at[bytes.LastIndexByte(at, '\n')+1:]) + 1
	return fmt.Sprintf("not JSON at line %d, column %d", line, column)
}

// member is one member of a JSON object: its name and its undecoded value.
type member struct {
	name  string
	value json.RawMessage
}

// readObject returns the members of a JSON object in order, including repeated ones. data must be
// valid JSON. readObject returns false if data is not an object.
func readObject(data []byte) ([]member, bool) {
	d := json.NewDecoder(bytes.NewReader(data))
	if t, err := d.Token(); err != nil || t != json.Delim('{') {
		return nil, false
	}
	var members []member
	for d.More() {
		name, err := d.Token()
		if err != nil {
			return nil, false
		}
		m := member{name: name.(string)} // a name is always a string here (RFC 8259 section 4)
		if err := d.Decode(&m.value); err != nil {
			return nil, false
		}
		members = append(members, m)
	}
	return members, true
}
