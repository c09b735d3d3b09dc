package request

import (
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"mime"
	"mime/multipart"
	"strconv"
	"strings"

	"github.com/signstash-proxy/signstash-proxy/pkg/internal/printable"
	"github.com/signstash-proxy/signstash-proxy/pkg/signing"
)

// formBoundary returns the boundary of a multipart/form-data Content-Type.
func formBoundary(contentType string) (string, error) {
	media, params, err := mime.ParseMediaType(contentType)
	boundary := params["boundary"]
	if errors.Is(err, mime.ErrInvalidMediaParameter) { // media is set nevertheless
		boundary = looseBoundary(contentType)
	}
	if media != "multipart/form-data" || boundary == "" {
		return "", signing.Errorf(KindMediaType, "Content-Type must be multipart/form-data with a boundary")
	}
	return boundary, nil
}

// maxBoundaryBytes and boundaryMarks come from RFC 2046 5.1.1. A value with some of these marks
// must be quoted (RFC 2045 5.1). JavaMail and other libraries make boundaries like ----=_Part_0 and
// do not always quote them.
const (
	maxBoundaryBytes = 70
	boundaryMarks    = "'()+_,-./:=? "
)

// looseBoundary finds the boundary in a Content-Type that mime.ParseMediaType does not accept. It
// returns an empty string if there is no boundary, or more than one.
func looseBoundary(contentType string) (boundary string) {
	_, params, _ := strings.Cut(contentType, ";")
	for param := range strings.SplitSeq(params, ";") {
		key, value, _ := strings.Cut(param, "=")
		if !strings.EqualFold(strings.TrimSpace(key), "boundary") {
			continue
		}
		value = strings.TrimSpace(value)
		if quoted, ok := strings.CutPrefix(value, `"`); ok {
			value = strings.TrimSuffix(quoted, `"`)
		}
		if boundary != "" || len(value) > maxBoundaryBytes || strings.ContainsFunc(value, notOfBoundary) {
			return ""
		}
		boundary = value
	}
	return boundary
}

func notOfBoundary(r rune) bool {
	letter := r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9'
	return !letter && !strings.ContainsRune(boundaryMarks, r)
}

// signRequestPart is the name of the part with the SignRequest.
const signRequestPart = "signRequest"

// noIndex stands for the index of a part whose name has no index.
const noIndex = -1

// parseFileName reports whether a part of that name holds a document. Such names are files and
// file, also with [] as PHP and Rails write lists (files[]), or with the index of the document
// (files[0]).
func parseFileName(name string) (index int, ok bool) {
	base, rest, bracket := strings.Cut(name, "[")
	if base != "files" && base != "file" {
		return 0, false
	}
	if !bracket || rest == "]" {
		return noIndex, true
	}
	digits, closed := strings.CutSuffix(rest, "]")
	n, err := strconv.ParseUint(digits, 10, 31)
	return int(n), closed && err == nil
}

// decodePart undoes the Content-Transfer-Encoding of a part and returns its content. RFC 7578 4.7
// deprecates that header, but older client libraries send it. Package multipart decodes
// quoted-printable by itself. field names the part in errors.
func decodePart(part *multipart.Part, field string) (io.Reader, error) {
	encoding := part.Header.Get("Content-Transfer-Encoding")
	switch strings.ToLower(strings.TrimSpace(encoding)) {
	case "", "binary", "8bit", "7bit": // RFC 2045 6.2: the content is as it is
		return part, nil
	case "base64":
		return &base64Part{base64.NewDecoder(base64.StdEncoding, faultyPart{part}), field}, nil
	}
	return nil, signing.Errorf(signing.KindInvalid,
		"%s: Content-Transfer-Encoding %.40q is not understood: send binary or base64", field, encoding)
}

// faultyPart turns errors of reading a part into errors of the request, so that they are not
// mistaken for errors of the base64 decoder around it.
type faultyPart struct{ r io.Reader }

// Read implements io.Reader.
func (f faultyPart) Read(p []byte) (int, error) {
	n, err := f.r.Read(p)
	if err != nil && err != io.EOF {
		err = multipartFault(err)
	}
	return n, err
}

// base64Part is the decoded content of a part in base64.
type base64Part struct {
	r     io.Reader
	field string
}

// Read implements io.Reader.
func (b *base64Part) Read(p []byte) (int, error) {
	n, err := b.r.Read(p)
	var known *signing.Error
	if err != nil && err != io.EOF && !errors.As(err, &known) {
		err = signing.Errorf(signing.KindInvalid,
			"%s is not base64, although its Content-Transfer-Encoding says so", b.field).Because(err)
	}
	return n, err
}

// maxDispositionBytes bounds a Content-Disposition that is read leniently. It is far above the
// length of any file name.
const maxDispositionBytes = 4 << 10

// partName returns the name of a part; empty if it has none. If the header does not follow RFC
// 7578, mostly because of blanks, accents or quotes in a file name, partName still looks for the
// name, as the usual Java readers do.
func partName(part *multipart.Part) string {
	if name := part.FormName(); name != "" {
		return name
	}
	value := part.Header.Get("Content-Disposition")
	if _, _, err := mime.ParseMediaType(value); err == nil || len(value) > maxDispositionBytes {
		return ""
	}
	return looseName(value)
}

// looseName returns the parameter "name" of a Content-Disposition. It returns an empty string if
// there are two, because one of them may be part of a file name.
func looseName(value string) (name string) {
	kind, params, _ := strings.Cut(value, ";")
	if !strings.EqualFold(strings.TrimSpace(kind), "form-data") {
		return ""
	}
	for param := range strings.SplitSeq(params, ";") {
		key, v, _ := strings.Cut(param, "=")
		if !strings.EqualFold(strings.TrimSpace(key), "name") {
			continue
		}
		if name != "" {
			return ""
		}
		name = strings.Trim(strings.TrimSpace(v), `"`)
	}
	return name
}

// maxNamedParts and maxPartNameBytes bound the list of parts in an error.
const (
	maxNamedParts    = 8
	maxPartNameBytes = 40
)

// partNames collects the names of the parts of a form, for errors about missing parts.
type partNames struct {
	first []string // quoted and truncated
	count int
}

func (p *partNames) add(name string) {
	p.count++
	if len(p.first) == maxNamedParts {
		return
	}
	text := "a part without a name"
	if name != "" {
		text = strconv.Quote(printable.Truncate(name, maxPartNameBytes))
	}
	p.first = append(p.first, text)
}

// String returns the names as the end of an error's sentence.
func (p *partNames) String() string {
	if p.count == 0 {
		return "no part came"
	}
	text := "the parts that came: " + strings.Join(p.first, ", ")
	if more := p.count - len(p.first); more > 0 {
		text += fmt.Sprintf(", and %d more", more)
	}
	return text
}
