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
	path      string
	name      string      // without folders
	result    string      // name in the output folder, if the proxy does not say another one
	content   contentType // of the bytes
	signature string      // PAdES, XAdES or CAdES
	size      int64       // in bytes
}

// failure names a file that was not signed, and the reason.
type failure struct{ name, reason string }

// batch holds the files of one request.
type batch struct {
	reference string
	files     []file
	async     bool
}

// inspect reads what the files at paths are, and decides how they are signed. It returns a failure
// for each file that cannot be sent.
func inspect(paths []string, o *signatureOptions) ([]file, []failure) {
	var files []file
	var failed []failure
	for _, path := range paths {
		f, err := inspectFile(path, o)
		if err != nil {
			failed = append(failed, failure{path, cause(err)})
			continue
		}
		files = append(files, f)
	}
	return files, failed
}

func inspectFile(path string, o *signatureOptions) (file, error) {
	in, err := open(path)
	if err != nil {
		return file{}, err
	}
	defer in.Close()
	if in.size == 0 {
		return file{}, errors.New("is empty")
	}
	f := file{path: path, name: filepath.Base(path), size: in.size}
	if f.content, err = contentTypeOf(in); err != nil {
		return file{}, err
	}
	f.signature = o.typeFor(f.content)
	f.result = o.resultName(&f)
	return f, nil
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
		if other, taken := byName[f.result]; taken {
			return usageError{fmt.Errorf("%s and %s have the same name; sign them into different folders", other, f.path)}
		}
		byName[f.result] = f.path
		if sameFile(filepath.Join(out, f.result), f.path) {
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
	r := &client.Request{Reference: b.reference, Key: b.reference, Description: o.description}
	for _, f := range b.files {
		r.Documents = append(r.Documents, client.Document{
			Reference: f.sent(), Name: f.sent(), ContentType: requestType(&f), Size: f.size,
			Signature: o.signature.infoFor(&f),
			Open:      func() (io.ReadCloser, error) { return os.Open(f.path) },
		})
	}
	return r
}
