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
	if errors.Is(err, mime.ErrInvalidMediaParameter) { // media is known then
		boundary = looseBoundary(contentType)
	}
	if media != "multipart/form-data" || boundary == "" {
		return "", signing.Errorf(KindMediaType, "Content-Type must be multipart/form-data with a boundary")
	}
	return boundary, nil
}

// maxBoundaryBytes and boundaryMarks are of RFC 2046 5.1.1. A value with some of these marks must
// be quoted (RFC 2045 5.1), and JavaMail and others that make boundaries like ----=_Part_0 do not
// always do so.
const (
	maxBoundaryBytes = 70
	boundaryMarks    = "'()+_,-./:=? "
)

// looseBoundary looks for the boundary in a Content-Type that is not written as it should be; empty
// if there is none, or two.
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

// signRequestPart is the name of the part that says what to sign.
const signRequestPart = "signRequest"

// noIndex is the index of a part whose name has none.
const noIndex = -1

// parseFileName reports whether a part of that name holds a document: files or file, as PHP and
// Rails write them too (files[]), or with the place of the document (files[0]).
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

// decodePart returns the content of a part as it was before its Content-Transfer-Encoding. RFC 7578
// 4.7 deprecates the field and clients of older libraries send it. Package multipart decodes
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

// faultyPart turns errors of a part into those of the request, so that they cannot be taken for
// errors of what reads it.
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
			"%s is not base64, and its Content-Transfer-Encoding says that it is", b.field).Because(err)
	}
	return n, err
}

// maxDispositionBytes bounds a Content-Disposition that is read leniently: far above the longest
// file name.
const maxDispositionBytes = 4 << 10

// partName is the name of a part; empty if it has none. Where the header is not as RFC 7578 wants
// it, mostly for a file name with blanks, accents or quotes in it, the name is looked for in spite
// of that, as the usual readers in Java do.
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

// looseName returns the parameter name of a Content-Disposition. Two of them are none: one may be
// part of a file name.
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

// maxNamedParts and maxPartNameBytes bound what an error tells of the parts that came.
const (
	maxNamedParts    = 8
	maxPartNameBytes = 40
)

// partNames are the names of the parts of a form, for errors that say what is missing.
type partNames struct {
	first []string // quoted and cut
	count int
}

func (p *partNames) add(name string) {
	p.count++
	if len(p.first) == maxNamedParts {
		return
	}
	text := "one without a name"
	if name != "" {
		text = strconv.Quote(printable.Truncate(name, maxPartNameBytes))
	}
	p.first = append(p.first, text)
}

// String completes a sentence.
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
