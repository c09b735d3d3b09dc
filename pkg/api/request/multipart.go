package request

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"mime/multipart"
	"slices"

	"github.com/signstash-proxy/signstash-proxy/pkg/signing"
)

// multipartBuffer is how many bytes are read from the connection at once. Package multipart alone
// would read 4 KiB.
const multipartBuffer = 64 << 10

// formReader reads the body of the multipart calls: parts with documents (see parseFileName), and
// one part named signRequest before, between or after them. Other parts are ignored. If documents
// are missing, the error names all parts that came.
type formReader struct {
	*Reader
	request *Received
	files   []formFile
	came    partNames
}

// formFile is the content of a document.
type formFile struct {
	index   int // of the document, from the part's name; noIndex if the name has none
	content signing.Content
}

// ReadMultipart reads the body of the multipart calls, whose documents are parts of a form.
func (r *Reader) ReadMultipart(body io.Reader, contentType string) (*Received, error) {
	boundary, err := formBoundary(contentType)
	if err != nil {
		return nil, err
	}
	f := &formReader{Reader: r}
	parts := multipart.NewReader(bufio.NewReaderSize(body, multipartBuffer), boundary)
	for {
		part, err := parts.NextPart()
		if err == io.EOF {
			break
		}
		if err == nil {
			err = f.part(part)
		}
		if err != nil {
			return nil, multipartFault(err)
		}
	}
	// The bytes after the last part are ignored, but they must be read to reach the end of the
	// request.
	if _, err := io.Copy(io.Discard, body); err != nil {
		return nil, err
	}
	return f.join()
}

// part reads one part.
func (f *formReader) part(part *multipart.Part) (err error) {
	name := partName(part)
	f.came.add(name)
	if index, ok := parseFileName(name); ok {
		return f.file(index, part)
	}
	if name != signRequestPart {
		return nil
	}
	if f.request != nil {
		return signing.Errorf(signing.KindMalformed, "signRequest: the part came twice")
	}
	content, err := decodePart(part, signRequestPart)
	if err != nil {
		return err
	}
	f.request, err = f.readSignRequest(content, part.Header.Get("Content-Type"), filesKey)
	return err
}

// file spools one document while it arrives.
func (f *formReader) file(index int, part *multipart.Part) error {
	limit := f.Limits.Documents
	if len(f.files) >= limit || index >= limit {
		return signing.Errorf(signing.KindTooLarge, "files: more than %d in one request", limit)
	}
	place := index
	if place == noIndex {
		place = len(f.files)
	}
	field := fmt.Sprintf("files[%d]", place)
	content, err := decodePart(part, field)
	if err != nil {
		return err
	}
	c, err := f.Upload.Add(limitContent(content, f.Limits.DocumentBytes, field))
	f.files = append(f.files, formFile{index, c})
	return err
}

// join gives each document its content.
func (f *formReader) join() (*Received, error) {
	if f.request == nil {
		return nil, signing.Errorf(signing.KindMissing, "signRequest: the part is missing; %s", &f.came)
	}
	documents := f.request.documents
	if f.request.hasDocuments && len(f.files) != len(documents) {
		return nil, signing.Errorf(signing.KindInvalid,
			"files: there are %d parts for %d documents; %s", len(f.files), len(documents), &f.came)
	}
	if err := f.order(); err != nil {
		return nil, err
	}
	for i := range documents {
		documents[i].content = &f.files[i].content
	}
	return f.request, nil
}

// order sorts the files into the order of their documents: by index if the names have one, else in
// the order in which they came.
func (f *formReader) order() error {
	slices.SortStableFunc(f.files, func(a, b formFile) int { return a.index - b.index })
	for i, file := range f.files {
		switch {
		case file.index == i || file.index == noIndex && f.files[len(f.files)-1].index == noIndex:
		case f.files[0].index == noIndex:
			return signing.Errorf(signing.KindInvalid,
				"files: some parts have an index in their name and others do not; %s", &f.came)
		default:
			return signing.Errorf(signing.KindInvalid, "files[%d]: the part is missing; %s", i, &f.came)
		}
	}
	return nil
}

// multipartFault turns an error of package multipart into KindMalformed. It returns a
// *signing.Error, which only passes through package multipart, unchanged.
func multipartFault(err error) error {
	var known *signing.Error
	if errors.As(err, &known) {
		return known
	}
	return signing.Errorf(signing.KindMalformed, "the body is not multipart/form-data, or ends too early").Because(err)
}
