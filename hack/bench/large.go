package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/signstash-proxy/signstash-proxy/hack/instance"
	"github.com/signstash-proxy/signstash-proxy/pkg/signing"
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
		self, err := os.Executable()
		if err != nil {
			return fmt.Errorf("find own program: %w", err)
		}
		started := time.Now()
		out, err := exec.CommandContext(ctx, self, "-sign", path).Output()
		if err != nil {
			return fmt.Errorf("sign %s: %w", l.name, err)
		}
		peak, err := strconv.ParseInt(strings.TrimSpace(string(out)), 10, 64)
		if err != nil {
			return fmt.Errorf("read peak of %s: %w", l.name, err)
		}
		peaks = append(peaks, peak)
		fmt.Fprintf(w, "%s\t%s\t%.0f MiB\n", l.name, ms(time.Since(started)), float64(peak)/(1<<20))
	}
	if err := w.Flush(); err != nil {
		return err
	}
	for i := range peaks[1:] {
		b.goals.rss("large: "+largeSizes[i+1].name, peaks[i+1], float64(peaks[0])/(1<<20)+largeExtraMiB)
	}
	return nil
}

// signLarge signs the document at path in place and prints the peak RSS of this process in bytes.
func signLarge(ctx context.Context, path string) error {
	e, err := newEngine(ctx, path+".key")
	if err != nil {
		return err
	}
	file, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		return fmt.Errorf("open document: %w", err)
	}
	defer file.Close()
	info, err := file.Stat()
	if err != nil {
		return fmt.Errorf("read size of document: %w", err)
	}
	in := signing.Input{
		File:      spooled{file, info.Size()},
		Time:      time.Now(),
		Signature: signing.SignatureInfo{Type: signing.PAdES, Level: signing.LevelB},
	}
	if err := e.signInPlace(ctx, in, file, path); err != nil {
		return err
	}
	memory, err := instance.MemoryOf(os.Getpid())
	if err != nil {
		return err
	}
	fmt.Println(memory.Peak)
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
