package main

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
)

// document is a document on disk.
type document struct {
	path string
	size int64 // bytes
}

// makeDocuments writes count different PDFs of about size bytes into dir. Each has the given number
// of objects; 0 = only the few that are needed.
func makeDocuments(dir string, count int, size int64, objects int) ([]document, error) {
	var paths []string
	for i := range count {
		path := filepath.Join(dir, fmt.Sprintf("%05d.pdf", i))
		if err := writePDF(path, size, objects, uint64(i)); err != nil {
			return nil, err
		}
		paths = append(paths, path)
	}
	return documentsOf(paths)
}

// makeKind is makeDocuments for documents of a kind.
func makeKind(dir string, k *kind, count int, size int64) ([]document, error) {
	var paths []string
	for i := range count {
		path := filepath.Join(dir, fmt.Sprintf("%05d%s", i, k.extension))
		if err := k.write(path, size, uint64(i)); err != nil {
			return nil, err
		}
		paths = append(paths, path)
	}
	return documentsOf(paths)
}

func documentsOf(paths []string) ([]document, error) {
	var docs []document
	for _, path := range paths {
		info, err := os.Stat(path)
		if err != nil {
			return nil, fmt.Errorf("read size of document: %w", err)
		}
		docs = append(docs, document{path, info.Size()})
	}
	return docs, nil
}

// writePDF writes a PDF with one page, and with streams that fill it up to size and to the number
// of objects.
func writePDF(path string, size int64, objects int, seed uint64) (err error) {
	f, err := os.Create(path)
	if err != nil {
		return fmt.Errorf("make document: %w", err)
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	w := &counter{w: bufio.NewWriterSize(f, 256<<10)}
	const (
		overhead       = 900 // bytes of everything except the streams
		streamOverhead = 75  // bytes of a stream's object and of its line in the table, without its data
	)
	streams := int64(max(objects-5, 1))
	fill := max((size-overhead)/streams-streamOverhead, 1)
	var offsets []int64
	object := func(format string, args ...any) {
		offsets = append(offsets, w.n)
		fmt.Fprintf(w, "%d 0 obj\n"+format, append([]any{len(offsets)}, args...)...)
	}
	fmt.Fprint(w, "%PDF-1.7\n%\xe2\xe3\xcf\xd3\n")
	object("<</Type/Catalog/Pages 2 0 R>>\nendobj\n")
	object("<</Type/Pages/Kids[3 0 R]/Count 1>>\nendobj\n")
	object("<</Type/Page/Parent 2 0 R/MediaBox[0 0 595 842]/Resources<</Font<</F 5 0 R>>>>" +
		"/Contents 4 0 R/Scan 6 0 R>>\nendobj\n")
	text := fmt.Sprintf("BT /F 12 Tf 72 770 Td (Document %d) Tj ET\n", seed)
	object("<</Length %d>>\nstream\n%sendstream\nendobj\n", len(text), text)
	object("<</Type/Font/Subtype/Type1/BaseFont/Helvetica>>\nendobj\n")
	source := rand.NewChaCha8([32]byte{byte(seed), byte(seed >> 8), byte(seed >> 16)})
	for range streams {
		object("<</Length %d>>\nstream\n", fill)
		if _, err := io.CopyN(w, source, fill); err != nil {
			return fmt.Errorf("fill document: %w", err)
		}
		fmt.Fprint(w, "\nendstream\nendobj\n")
	}
	start := w.n
	fmt.Fprintf(w, "xref\n0 %d\n0000000000 65535 f \n", len(offsets)+1)
	for _, at := range offsets {
		fmt.Fprintf(w, "%010d 00000 n \n", at)
	}
	fmt.Fprintf(w, "trailer\n<</Size %d/Root 1 0 R/ID[<%032x><%032[2]x>]>>\nstartxref\n%d\n%%%%EOF\n",
		len(offsets)+1, seed, start)
	return w.flush()
}

// counter counts the bytes that are written, and keeps errors until flush.
type counter struct {
	w   *bufio.Writer
	n   int64
	err error
}

func (c *counter) Write(p []byte) (int, error) {
	n, err := c.w.Write(p)
	c.n += int64(n)
	c.err = errors.Join(c.err, err)
	return n, err
}

func (c *counter) flush() error {
	if err := errors.Join(c.err, c.w.Flush()); err != nil {
		return fmt.Errorf("write document: %w", err)
	}
	return nil
}
