package api

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"mime"
	"mime/multipart"
	"strings"

	"github.com/signstash-proxy/signstash-proxy/pkg/signing"
)

// multipartBuffer is read from the connection at a time; package multipart alone would read 4 KiB.
const multipartBuffer = 64 << 10

// readMultipart reads the body of the multipart calls: parts named files, the i-th being the content of documents[i], and one
// named signRequest, before, between or after them. Other parts are ignored.
func (x *exchange) readMultipart(up signing.Upload) (*wireRequest, error) {
	media, params, err := mime.ParseMediaType(x.r.Header.Get("Content-Type"))
	if err != nil || media != "multipart/form-data" || params["boundary"] == "" {
		return nil, signing.Errorf(kindMediaType, "Content-Type must be multipart/form-data with a boundary")
	}
	parts := multipart.NewReader(bufio.NewReaderSize(x.body, multipartBuffer), params["boundary"])
	var request *wireRequest
	var files []signing.Content
	for {
		part, err := parts.NextPart()
		if err == io.EOF {
			break
		}
		if err != nil {
			return nil, multipartFault(err)
		}
		switch partName(part) {
		case "files":
			files, err = x.addFile(up, part, files)
		case "signRequest":
			if request != nil {
				return nil, signing.Errorf(signing.KindMalformed, "signRequest: the part is there twice")
			}
			request, err = x.readSignRequest(part, part.Header.Get("Content-Type"), up, false)
		}
		if err != nil {
			return nil, multipartFault(err)
		}
	}
	// What follows the last part means nothing, but its end is the end of the request.
	if _, err := io.Copy(io.Discard, x.body); err != nil {
		return nil, err
	}
	return joinFiles(request, files)
}

// maxDispositionBytes bounds a Content-Disposition that is read leniently: far above the longest file name.
const maxDispositionBytes = 4 << 10

// partName is the name of a part; empty if it has none. Where the header is not as RFC 7578 wants it, mostly for a file name with blanks,
// accents or quotes in it, the name is looked for in spite of that, as the usual readers in Java do.
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

// looseName returns the parameter name of a Content-Disposition. Two of them are none: one may be part of a file name.
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

// addFile spools one part while it arrives.
func (x *exchange) addFile(up signing.Upload, part io.Reader, files []signing.Content) ([]signing.Content, error) {
	if len(files) >= x.api.cfg.MaxDocuments {
		return nil, signing.Errorf(signing.KindTooLarge, "files: more than %d in one request", x.api.cfg.MaxDocuments)
	}
	c, err := up.Add(limitContent(part, x.api.cfg.MaxDocumentBytes, fmt.Sprintf("files[%d]", len(files))))
	return append(files, c), err
}

// joinFiles gives each document its content.
func joinFiles(request *wireRequest, files []signing.Content) (*wireRequest, error) {
	if request == nil {
		return nil, signing.Errorf(signing.KindMissing, "signRequest: the part is missing")
	}
	if request.hasDocuments && len(files) != len(request.documents) {
		return nil, signing.Errorf(signing.KindInvalid, "files: there are %d parts for %d documents", len(files), len(request.documents))
	}
	for i := range request.documents {
		request.documents[i].content = &files[i]
	}
	return request, nil
}

// multipartFault turns an error of package multipart into a fault of the request. Ours, that come through it, stay what they are.
func multipartFault(err error) error {
	var known *signing.Error
	if errors.As(err, &known) {
		return known
	}
	return signing.Errorf(signing.KindMalformed, "the body is not multipart/form-data, or ends too early").Because(err)
}
