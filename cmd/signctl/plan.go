package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"unicode/utf8"

	"github.com/signstash-proxy/signstash-proxy/pkg/client"
)

// file is a file to sign.
type file struct {
	path string
	name string // name in the output folder
	size int64  // in bytes
}

// failure names a file that was not signed, and the reason.
type failure struct{ name, reason string }

// batch holds the files of one request.
type batch struct {
	reference string
	files     []file
	async     bool
}

// inspect checks the files at paths. It returns a failure for each file that cannot be sent.
func inspect(paths []string) ([]file, []failure) {
	var files []file
	var failed []failure
	for _, path := range paths {
		info, err := os.Stat(path)
		switch {
		case err != nil:
			failed = append(failed, failure{path, cause(err)})
		case !info.Mode().IsRegular():
			failed = append(failed, failure{path, "is not a regular file"})
		case info.Size() == 0:
			failed = append(failed, failure{path, "is empty"})
		default:
			files = append(files, file{path, filepath.Base(path), info.Size()})
		}
	}
	return files, failed
}

// cause returns the reason of a file error without the path, because the caller prints the path
// beside it.
func cause(err error) string {
	var pathErr *os.PathError
	if errors.As(err, &pathErr) {
		return pathErr.Err.Error()
	}
	return err.Error()
}

// checkOutput returns an error if two files would be written to one name, or a signed file over its
// original.
func checkOutput(out string, files []file) error {
	byName := map[string]string{}
	for _, f := range files {
		if other, taken := byName[f.name]; taken {
			return usageError{fmt.Errorf("%s and %s have the same name; sign them into different folders", other, f.path)}
		}
		byName[f.name] = f.path
		if sameFile(filepath.Join(out, f.name), f.path) {
			return usageError{fmt.Errorf("--out %s would overwrite %s", out, f.path)}
		}
	}
	return nil
}

func sameFile(a, b string) bool {
	infoA, errA := os.Stat(a)
	infoB, errB := os.Stat(b)
	return errA == nil && errB == nil && os.SameFile(infoA, infoB)
}

// Limits of one request.
const (
	maxSyncFiles  = 99        // the product's own limit for synchronous requests
	maxSyncBytes  = 64 << 20  // a larger synchronous request takes longer than people wait
	maxBatchBytes = 128 << 20 // of content; a request of this size stays far below the proxy's limits
)

// plan divides files into batches.
func plan(files []file, o *signOptions) []batch {
	var total int64
	for _, f := range files {
		total += f.size
	}
	async := o.mode == "async" || o.mode == "auto" && (len(files) > maxSyncFiles || total > maxSyncBytes)
	var batches []batch
	var bytes int64
	for _, f := range files {
		last := len(batches) - 1
		if last < 0 || len(batches[last].files) == o.chunk || bytes+f.size > maxBatchBytes {
			batches = append(batches, batch{async: async})
			last++
			bytes = 0
		}
		batches[last].files = append(batches[last].files, f)
		bytes += f.size
	}
	for i := range batches {
		batches[i].reference = o.reference
		if len(batches) > 1 {
			batches[i].reference = fmt.Sprintf("%s-%d", o.reference, i+1)
		}
	}
	return batches
}

// sent is the name of the file in the request. The request is text, so bytes of the name that are
// not valid text, for example in an old encoding, are written as %BA.
func (f *file) sent() string {
	var b strings.Builder
	for i, r := range f.name {
		if _, width := utf8.DecodeRuneInString(f.name[i:]); r == utf8.RuneError && width == 1 {
			fmt.Fprintf(&b, "%%%02X", f.name[i])
		} else {
			b.WriteRune(r)
		}
	}
	return b.String()
}

// request makes the sign request of b.
func (b *batch) request(o *signOptions) *client.Request {
	r := &client.Request{Reference: b.reference, Key: b.reference, Description: o.description, Signature: o.signature}
	for _, f := range b.files {
		r.Documents = append(r.Documents, client.Document{
			Reference: f.sent(), Name: f.sent(), ContentType: contentType(o.signature.Type, f.name), Size: f.size,
			Open: func() (io.ReadCloser, error) { return os.Open(f.path) },
		})
	}
	return r
}

// contentType returns the content type for the request. With PAdES it is always PDF and with XAdES
// always XML, whatever the file name says. The proxy checks the content of each document and
// refuses wrong ones one by one. If a content type did not match the signature type, the proxy
// would refuse the whole request.
func contentType(signature, name string) string {
	extension := strings.ToLower(filepath.Ext(name))
	switch {
	case signature == "PAdES", extension == ".pdf" && signature != "XAdES":
		return "application/pdf"
	case signature == "XAdES", extension == ".xml":
		return "application/xml"
	}
	return "application/octet-stream"
}
