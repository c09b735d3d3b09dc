package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"text/tabwriter"
)

// largeSizes lists the sizes in bytes of the documents. They are sparse files, which take almost no
// disk space. The first size is the small document that the others are compared with.
var largeSizes = []struct {
	size int64
	name string
}{{200_000, "200 KB"}, {1_000_000_000, "1 GB"}, {5_000_000_000, "5 GB"}}

// largeExtraMiB is the goal: signing a large document may take at most this much more memory than
// signing the small one.
const largeExtraMiB = 32

// large signs each document in a separate process, so that the peak memory is that of one document.
// It prints the time and the peak. The process has no saved hash state and hashes the document
// itself.
func (b *bench) large(ctx context.Context) error {
	dir, err := os.MkdirTemp(b.temp, "bench-")
	if err != nil {
		return fmt.Errorf("make folder: %w", err)
	}
	defer os.RemoveAll(dir)
	w := tabwriter.NewWriter(os.Stdout, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "engine, one document\ttime\tpeak RSS")
	var peaks []int64
	for _, l := range largeSizes {
		path := filepath.Join(dir, strconv.FormatInt(l.size, 10)+".pdf")
		if err := writeSparsePDF(path, l.size); err != nil {
			return err
		}
		took, err := runAlone(ctx, path)
		if err != nil {
			return fmt.Errorf("%s: %w", l.name, err)
		}
		peaks = append(peaks, took.Peak)
		fmt.Fprintf(w, "%s\t%s\t%.0f MiB\n", l.name, ms(took.Sign), float64(took.Peak)/(1<<20))
	}
	if err := w.Flush(); err != nil {
		return err
	}
	for i := range peaks[1:] {
		b.goals.rss("large: "+largeSizes[i+1].name, peaks[i+1], float64(peaks[0])/(1<<20)+largeExtraMiB)
	}
	return nil
}

// writeSparsePDF writes a PDF of about size bytes that takes almost no disk space.
func writeSparsePDF(path string, size int64) (err error) {
	f, err := os.Create(path)
	if err != nil {
		return fmt.Errorf("make document: %w", err)
	}
	defer func() {
		if cerr := f.Close(); err == nil {
			err = cerr
		}
	}()
	head := fmt.Sprintf("%%PDF-1.7\n1 0 obj\n<</Type/Catalog/Pages 2 0 R>>\nendobj\n"+
		"2 0 obj\n<</Type/Pages/Kids[3 0 R]/Count 1>>\nendobj\n"+
		"3 0 obj\n<</Type/Page/Parent 2 0 R/MediaBox[0 0 595 842]/Scan 4 0 R>>\nendobj\n"+
		"4 0 obj\n<</Length %d>>\nstream\n", size)
	tail := "\nendstream\nendobj\n"
	start := int64(len(head)) + size + int64(len(tail))
	tail += "xref\n0 5\n0000000000 65535 f \n"
	for _, object := range []string{"1 0 obj", "2 0 obj", "3 0 obj", "4 0 obj"} {
		tail += fmt.Sprintf("%010d 00000 n \n", strings.Index(head, object))
	}
	tail += fmt.Sprintf("trailer\n<</Size 5/Root 1 0 R>>\nstartxref\n%d\n%%%%EOF\n", start)
	if _, err := io.WriteString(f, head); err != nil {
		return fmt.Errorf("write document: %w", err)
	}
	if _, err := f.WriteAt([]byte(tail), int64(len(head))+size); err != nil {
		return fmt.Errorf("write document: %w", err)
	}
	return nil
}
