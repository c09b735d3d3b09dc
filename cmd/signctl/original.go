package main

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"hash"
	"io"

	"github.com/signstash-proxy/signstash-proxy/pkg/cades"
	"github.com/signstash-proxy/signstash-proxy/pkg/client"
	"github.com/signstash-proxy/signstash-proxy/pkg/signing"
)

// checkSigned returns an error if the file at path signed cannot be f with a signature. It compares
// all bytes of f. It judges no signature, except that a detached one must fit f.
func checkSigned(ctx context.Context, f *file, info *client.SignatureInfo, signed string) error {
	original, err := open(f.path)
	if err != nil {
		return fmt.Errorf("read %s again: %w", f.path, err)
	}
	defer original.Close()
	result, err := open(signed)
	if err != nil {
		return fmt.Errorf("read output file: %w", err)
	}
	defer result.Close()
	switch {
	case f.signature == typePAdES:
		return checkAppended(original, result)
	case f.signature == typeXAdES:
		return checkInserted(original, result)
	case info.Packaging == string(signing.Detached):
		return checkDetached(ctx, original, result)
	}
	return checkEnveloped(ctx, original, result, info.Existing == string(signing.Cosign))
}

var errNotSigned = errors.New("the answer is this file without a signature")

// checkAppended returns nil if result is original and more bytes after it.
func checkAppended(original, result openFile) error {
	same, err := commonPrefix(original, result)
	switch {
	case err != nil:
		return err
	case same < original.size:
		return errors.New("the answer is another document, because it does not begin with the file's bytes")
	case result.size == original.size:
		return errNotSigned
	}
	return nil
}

// maxTag bounds the size in bytes of an XML tag, as the proxy does.
const maxTag = 1 << 20

// checkInserted returns nil if result is original and more bytes at one place in it. An element
// written <a/> may have become <a>…</a>.
func checkInserted(original, result openFile) error {
	same, err := commonPrefix(original, result)
	if err != nil {
		return err
	}
	if same == original.size && same == result.size {
		return errNotSigned
	}
	rest := make([]byte, min(maxTag, original.size-same))
	if _, err := original.ReadAt(rest, same); err != nil {
		return fmt.Errorf("read original: %w", err)
	}
	starts := []int64{same} // where the part of original may start that is at the end of result
	if trimmed := bytes.TrimLeft(rest, " \t\r\n\x00"); len(trimmed) > 0 && trimmed[0] == '/' {
		after := same + int64(len(rest)-len(trimmed)) + 1
		starts = append(starts, after, after+1) // a character of UTF-16 ends with a zero byte
	}
	for _, start := range starts {
		length := original.size - start
		if length < 0 || result.size-length <= same {
			continue
		}
		tail := io.NewSectionReader(original, start, length)
		end := io.NewSectionReader(result, result.size-length, length)
		if n, err := commonPrefix(tail, end); err != nil || n == length {
			return err
		}
	}
	return errors.New("the answer is another document, because it is not the file with one insertion")
}

// checkEnveloped returns nil if the content of the .p7m file result is original. If original is a
// .p7m that was co-signed, both have the same content.
func checkEnveloped(ctx context.Context, original, result openFile, cosigned bool) error {
	want, got := sha256.New(), sha256.New()
	var err error
	if cosigned {
		err = cades.CopyContent(ctx, original, want)
	} else {
		_, err = io.Copy(want, original)
	}
	if err != nil {
		return fmt.Errorf("read original: %s", reason(err))
	}
	if err := cades.CopyContent(ctx, result, got); err != nil {
		return fmt.Errorf("the answer is not a .p7m file: %s", reason(err))
	}
	if !equal(want, got) {
		return errors.New("the answer is another document, because its content is not the file")
	}
	return nil
}

func equal(a, b hash.Hash) bool { return bytes.Equal(a.Sum(nil), b.Sum(nil)) }

// checkDetached returns nil if the signatures in the .p7s file result may be over original.
func checkDetached(ctx context.Context, original, result openFile) error {
	report, err := cades.Verify(ctx, result, cades.VerifyOptions{Content: original})
	if err != nil {
		return fmt.Errorf("the answer is not a .p7s file for this file: %s", reason(err))
	}
	if len(report.Signatures) == 0 {
		return errNotSigned
	}
	if report.Verdict() == cades.Invalid {
		return fmt.Errorf("the answer is not a signature of this file: %s", report.Signatures[0].Reason())
	}
	return nil
}

// commonPrefix returns how many bytes at the start of a and b are the same.
func commonPrefix(a, b signing.Sized) (int64, error) {
	const block = 64 << 10
	var at int64
	bufA, bufB := make([]byte, block), make([]byte, block)
	for {
		n := min(block, a.Size()-at, b.Size()-at)
		if n == 0 {
			return at, nil
		}
		for _, r := range []struct {
			from signing.Sized
			to   []byte
		}{{a, bufA}, {b, bufB}} {
			if _, err := r.from.ReadAt(r.to[:n], at); err != nil && !errors.Is(err, io.EOF) {
				return 0, fmt.Errorf("compare with the original: %w", err)
			}
		}
		for i := range n {
			if bufA[i] != bufB[i] {
				return at + i, nil
			}
		}
		at += n
	}
}
