package formattest

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding"
	"errors"
	"fmt"
	"io"
	"slices"
	"testing"
	"time"

	"github.com/signstash-proxy/signstash-proxy/pkg/signing"
)

// Harness gives the suite access to a format.
type Harness struct {
	// Open returns the format. The suite calls it more than once, so that a document is prepared and
	// embedded by different values, as by different processes.
	Open       func(t *testing.T) signing.Format
	Credential *signing.Credential
	// Sign signs a digest with the key of Credential.
	Sign    func(digest []byte) ([]byte, error)
	Samples []Sample
	Promise Promise // what the API description promises; nil = nothing
}

// Sample is a document that the format can sign.
type Sample struct {
	Name      string
	Original  []byte
	Signature signing.SignatureInfo
	Time      time.Time // of signing; zero = now
}

// subject is one sample under test.
type subject struct {
	Harness
	sample        Sample
	first, second signing.Format // of different processes
}

// input returns a new Input of the sample.
func (s *subject) input() signing.Input {
	h := sha256.New()
	h.Write(s.sample.Original)
	midstate, _ := h.(encoding.BinaryMarshaler).MarshalBinary() // SHA-256 returns no error
	in := signing.Input{
		File: file{bytes.NewReader(s.sample.Original)}, Midstate: midstate,
		Signature: s.sample.Signature, Time: s.sample.Time,
	}
	if in.Time.IsZero() {
		in.Time = time.Now()
	}
	return in
}

// file is an original in memory.
type file struct{ *bytes.Reader }

func (file) Close() error { return nil }

// unreadable is an original that the disk cannot read.
type unreadable struct{ signing.File }

var errUnreadable = errors.New("input/output error")

func (unreadable) ReadAt([]byte, int64) (int, error) { return 0, errUnreadable }

// prepare returns the prepared sample and the signature value for it.
func (s *subject) prepare(ctx context.Context, in signing.Input) (signing.Prepared, []byte, error) {
	p, err := s.first.Prepare(ctx, in, s.Credential)
	if err != nil {
		return p, nil, fmt.Errorf("Prepare = %v", err)
	}
	if len(p.Digest) != s.Credential.Hash.Size() {
		return p, nil, fmt.Errorf("Prepared.Digest has %d bytes, want %d", len(p.Digest), s.Credential.Hash.Size())
	}
	value, err := s.Sign(p.Digest)
	return p, value, err
}

// embed embeds value and checks what every caller relies on.
func (s *subject) embed(
	ctx context.Context, f signing.Format, in signing.Input, p signing.Prepared, value []byte,
) error {
	section, pieces, err := f.Embed(ctx, in, p, value)
	if err != nil {
		return fmt.Errorf("Embed = %v", err)
	}
	if len(section) == 0 {
		return errors.New("Embed returned no section")
	}
	joined, err := signing.Join(file{bytes.NewReader(s.sample.Original)}, bytes.NewReader(section), pieces)
	if err != nil {
		return fmt.Errorf("Embed returned the pieces %v: %v", pieces, err)
	}
	if s.Promise == nil {
		return nil
	}
	signed, err := io.ReadAll(io.NewSectionReader(joined, 0, joined.Size()))
	if err != nil {
		return err
	}
	return s.Promise(s.sample.Original, signed, pieces)
}

// Run runs the suite.
func Run(t *testing.T, h Harness) {
	if len(h.Samples) == 0 {
		t.Fatal("the harness has no samples: nothing would be checked")
	}
	for _, sample := range h.Samples {
		for _, c := range checks {
			t.Run(sample.Name+"/"+c.name, func(t *testing.T) {
				s := &subject{Harness: h, sample: sample, first: h.Open(t), second: h.Open(t)}
				s.sample.Original = slices.Clone(sample.Original)
				if err := c.run(t.Context(), s); err != nil {
					t.Error(err)
				}
				if !bytes.Equal(s.sample.Original, sample.Original) {
					t.Error("the format changed its input")
				}
			})
		}
	}
}
