package formattest

//lint:file-ignore ST1005 test failures begin with the name of the method that was called

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"slices"
	"sync"

	"github.com/signstash-proxy/signstash-proxy/pkg/signing"
)

// check is one rule of the contract. Its function returns an error when the format breaks the rule.
type check struct {
	name string
	run  func(ctx context.Context, s *subject) error
}

// checks are the rules of signing.Format, one by one.
var checks = []check{
	{"signed document", checkSigned},
	{"original without a midstate", checkNoMidstate},
	{"another process embeds", checkOtherProcess},
	{"embed again", checkAgain},
	{"value of another digest", checkWrongValue},
	{"state that is cut off", checkCutState},
	{"arguments untouched", checkUntouched},
	{"file that cannot be read", checkUnreadable},
	{"concurrent calls", checkConcurrent},
}

func checkSigned(ctx context.Context, s *subject) error {
	in := s.input()
	p, value, err := s.prepare(ctx, in)
	if err != nil {
		return err
	}
	if err := s.first.CheckValue(p, value); err != nil {
		return fmt.Errorf("CheckValue of the right value = %v", err)
	}
	return s.embed(ctx, s.first, in, p, value)
}

func checkNoMidstate(ctx context.Context, s *subject) error {
	in := s.input()
	in.Midstate = nil
	p, value, err := s.prepare(ctx, in)
	if err != nil {
		return err
	}
	return s.embed(ctx, s.first, in, p, value)
}

func checkOtherProcess(ctx context.Context, s *subject) error {
	p, value, err := s.prepare(ctx, s.input())
	if err != nil {
		return err
	}
	stored := signing.Prepared{Digest: slices.Clone(p.Digest), State: slices.Clone(p.State)}
	clear(p.Digest)
	clear(p.State)
	if err := s.second.CheckValue(stored, value); err != nil {
		return fmt.Errorf("CheckValue by another process = %v", err)
	}
	return s.embed(ctx, s.second, s.input(), stored, value)
}

func checkAgain(ctx context.Context, s *subject) error {
	in := s.input()
	p, value, err := s.prepare(ctx, in)
	if err != nil {
		return err
	}
	for range 2 {
		if err := s.embed(ctx, s.first, in, p, value); err != nil {
			return err
		}
	}
	return nil
}

func checkWrongValue(ctx context.Context, s *subject) error {
	in := s.input()
	p, value, err := s.prepare(ctx, in)
	if err != nil {
		return err
	}
	h := s.Credential.Hash.New()
	h.Write(p.Digest)
	other, err := s.Sign(h.Sum(nil))
	if err != nil {
		return err
	}
	for name, wrong := range map[string][]byte{
		"a value of another digest": other, "no value": nil, "a value that is cut off": value[:len(value)-1],
	} {
		if err := s.first.CheckValue(p, wrong); err == nil {
			return fmt.Errorf("CheckValue of %s = nil, want an error", name)
		}
		if section, _, err := s.first.Embed(ctx, in, p, wrong); err == nil || section != nil {
			return fmt.Errorf("Embed of %s = %d bytes, %v, want an error alone", name, len(section), err)
		}
	}
	return nil
}

func checkCutState(ctx context.Context, s *subject) error {
	in := s.input()
	p, value, err := s.prepare(ctx, in)
	if err != nil {
		return err
	}
	for _, n := range []int{0, 1, len(p.State) / 2, len(p.State) - 1} {
		p := signing.Prepared{Digest: p.Digest, State: p.State[:n]}
		if _, _, err := s.first.Embed(ctx, in, p, value); err == nil {
			return fmt.Errorf("Embed with %d of %d bytes of state = nil, want an error", n, len(p.State))
		}
	}
	return nil
}

func checkUntouched(ctx context.Context, s *subject) error {
	in := s.input()
	p, value, err := s.prepare(ctx, in)
	if err != nil {
		return err
	}
	sum := func() [32]byte {
		return sha256.Sum256(bytes.Join([][]byte{p.Digest, p.State, value, in.Midstate}, nil))
	}
	before := sum()
	if err := s.embed(ctx, s.first, in, p, value); err != nil {
		return err
	}
	if err := s.first.CheckValue(p, value); err != nil {
		return fmt.Errorf("CheckValue after Embed = %v", err)
	}
	if sum() != before {
		return errors.New("the format changed its arguments")
	}
	return nil
}

func checkUnreadable(ctx context.Context, s *subject) error {
	in := s.input()
	in.File = unreadable{in.File}
	in.Midstate = nil // with it, a format may have nothing to read
	if _, err := s.first.Prepare(ctx, in, s.Credential); err == nil {
		return errors.New("Prepare of a file that cannot be read = nil, want an error")
	}
	return nil
}

func checkConcurrent(ctx context.Context, s *subject) error {
	var all sync.WaitGroup
	errs := make([]error, 4)
	for i := range errs {
		all.Go(func() {
			in := s.input()
			p, value, err := s.prepare(ctx, in)
			if err == nil {
				err = s.embed(ctx, s.first, in, p, value)
			}
			errs[i] = err
		})
	}
	all.Wait()
	return errors.Join(errs...)
}
