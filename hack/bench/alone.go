package main

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/exec"
	"time"

	"github.com/signstash-proxy/signstash-proxy/hack/instance"
	"github.com/signstash-proxy/signstash-proxy/pkg/signing"
)

// alone is what it took to sign one document in a process of its own. Times are those of the
// fastest round.
type alone struct {
	Peak          int64 // RSS of the first round, in bytes
	Sign, SignCPU time.Duration
	// Hash is the time that SHA-256 of the same file took, in turn with signing. 0 = not measured.
	Hash, HashCPU time.Duration
}

const (
	// aloneRounds is how often a document is signed that is compared with SHA-256. Other work on the
	// machine disturbs some of the rounds.
	aloneRounds = 15
	// aloneOnce is the size in bytes from which on a document is signed once.
	aloneOnce = 200_000_000
)

// runAlone signs a document in a new process.
func runAlone(ctx context.Context, path string) (*alone, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, fmt.Errorf("find own program: %w", err)
	}
	cmd := exec.CommandContext(ctx, self, "-sign", path)
	cmd.Stderr = os.Stderr
	out, err := cmd.Output()
	if err != nil {
		return nil, fmt.Errorf("sign in a new process: %w", err)
	}
	var took alone
	if err := json.Unmarshal(out, &took); err != nil {
		return nil, fmt.Errorf("read what signing took: %w", err)
	}
	return &took, nil
}

// signAlone signs the document at path, and writes what it took to w, as JSON. It reads the signed
// document to its end, and writes it nowhere.
func signAlone(ctx context.Context, path string, w io.Writer) error {
	k := kindOf(path)
	e, err := newEngine(ctx, path+".key", k)
	if err != nil {
		return err
	}
	file, err := os.Open(path)
	if err != nil {
		return fmt.Errorf("open document: %w", err)
	}
	defer file.Close()
	info, err := file.Stat()
	if err != nil {
		return fmt.Errorf("read size of document: %w", err)
	}
	in := signing.Input{File: spooled{file, info.Size()}, Time: time.Now(), Signature: k.info()}
	var took alone
	compared := k == &xml
	rounds := 1
	if compared && in.File.Size() < aloneOnce {
		rounds = aloneRounds
	}
	for range rounds {
		if err := took.round(ctx, e, in, path, compared); err != nil {
			return err
		}
		if took.Peak > 0 {
			continue
		}
		memory, err := instance.MemoryOf(os.Getpid())
		if err != nil {
			return err
		}
		took.Peak = memory.Peak
	}
	return json.NewEncoder(w).Encode(took)
}

// round signs the document once more, after SHA-256 of it if that is compared.
func (a *alone) round(ctx context.Context, e *engine, in signing.Input, name string, compared bool) error {
	if compared {
		err := fastest(&a.Hash, &a.HashCPU, func() error {
			_, err := io.CopyBuffer(sha256.New(), io.NewSectionReader(in.File, 0, in.File.Size()), make([]byte, 256<<10))
			return err
		})
		if err != nil {
			return fmt.Errorf("hash document: %w", err)
		}
	}
	return fastest(&a.Sign, &a.SignCPU, func() error { return e.signAndRead(ctx, in, name, !compared) })
}

// signAndRead signs the document. If read is set, it reads the signed document to its end.
func (e *engine) signAndRead(ctx context.Context, in signing.Input, name string, read bool) error {
	section, pieces, err := e.section(ctx, in, name)
	if err != nil || !read {
		return err
	}
	signed, err := signing.Join(in.File, bytes.NewReader(section), pieces)
	if err != nil {
		return fmt.Errorf("join signed document: %w", err)
	}
	if _, err := io.Copy(forget{}, io.NewSectionReader(signed, 0, signed.Size())); err != nil {
		return fmt.Errorf("read signed document: %w", err)
	}
	return nil
}

// fastest calls do, and keeps its time and CPU time if they are the shortest so far.
func fastest(wall, cpu *time.Duration, do func() error) error {
	start, before := time.Now(), ownCPU()
	if err := do(); err != nil {
		return err
	}
	took, spent := time.Since(start), ownCPU()-before
	if *wall == 0 || took < *wall {
		*wall = took
	}
	if *cpu == 0 || spent < *cpu {
		*cpu = spent
	}
	return nil
}
