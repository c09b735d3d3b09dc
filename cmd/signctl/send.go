package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"regexp"
	"strconv"
	"strings"
	"sync"

	"github.com/signstash-proxy/signstash-proxy/pkg/client"
)

// inFlight is how many requests run at the same time. The next one is sent while one is being
// signed.
const inFlight = 2

// sender signs batches and writes the signed files.
type sender struct {
	client   *client.Client
	out      string
	options  *signOptions
	progress *progress
	results  map[string]string // paths of the files by the names of their results; only read
}

func (s *sender) sendAll(ctx context.Context, batches []batch) {
	queue := make(chan batch)
	var workers sync.WaitGroup
	for range min(inFlight, len(batches)) {
		workers.Go(func() {
			for b := range queue {
				s.send(ctx, b)
			}
		})
	}
	for _, b := range batches {
		queue <- b
	}
	close(queue)
	workers.Wait()
}

// send signs one batch and reports the result of each of its files.
func (s *sender) send(ctx context.Context, b batch) {
	files := &folder{dir: s.out}
	defer files.discard()
	var op *client.Operation
	err := ctx.Err()
	if err == nil {
		op, err = s.sign(ctx, b, files)
	}
	if err == nil && len(op.Documents) != len(b.files) {
		err = fmt.Errorf("the answer has %d documents, the request had %d", len(op.Documents), len(b.files))
	}
	if err != nil {
		for _, f := range b.files {
			s.progress.failed(failure{f.path, err.Error()})
		}
		return
	}
	for i, f := range b.files {
		if reason := s.keep(ctx, &f, &op.Documents[i], files); reason != "" {
			s.progress.failed(failure{f.path, reason})
		}
	}
}

// sign sends a batch and waits for its end. It writes the signed contents to files.
func (s *sender) sign(ctx context.Context, b batch, files *folder) (*client.Operation, error) {
	request := b.request(s.options)
	if b.async {
		accepted, err := s.client.SignAsync(ctx, request)
		if err != nil {
			return nil, err
		}
		s.progress.accepted(b, accepted)
		return s.fetch(ctx, b.reference, accepted.Host, accepted.Port, files)
	}
	op, err := s.client.Sign(ctx, request, files)
	if err != nil || op.Ended() {
		return op, err
	}
	s.progress.notice("%s is not signed yet; waiting for it", b.reference)
	return s.fetch(ctx, b.reference, op.Host, op.Port, files)
}

// fetch waits for an operation at the instance that owns it. If that instance is unreachable, it
// uses the address that the user gave.
func (s *sender) fetch(
	ctx context.Context, reference, host string, port int, files *folder,
) (*client.Operation, error) {
	op, err := s.fetchAt(ctx, s.client.Follow(host, port), reference, files)
	if host != "" && unreachable(err) && ctx.Err() == nil {
		s.progress.notice("%s is unreachable; trying %s", net.JoinHostPort(host, strconv.Itoa(port)), s.options.url)
		op, err = s.fetchAt(ctx, s.client, reference, files)
	}
	if err != nil {
		return nil, fmt.Errorf("%w (it was accepted as %s; signctl get %s fetches the result)", err, reference, reference)
	}
	return op, nil
}

func (s *sender) fetchAt(
	ctx context.Context, at *client.Client, reference string, files *folder,
) (*client.Operation, error) {
	if _, err := at.Wait(ctx, reference); err != nil {
		return nil, err
	}
	return at.Detail(ctx, reference, files)
}

// unreachable reports whether err is a network error and not an answer of the proxy.
func unreachable(err error) bool {
	var network net.Error
	return errors.As(err, &network)
}

// keep gives the signed content of f its name in the output folder. It returns the reason if it
// cannot, otherwise an empty string.
func (s *sender) keep(ctx context.Context, f *file, d *client.SignedDocument, files *folder) string {
	if reason := d.Failure(); reason != "" {
		return reason
	}
	if d.Reference != f.sent() {
		return "the answer contains no signed content for this document"
	}
	temp, err := files.path(d.Content)
	if err == nil {
		err = checkSigned(ctx, f, s.options.signature.infoFor(f), temp)
	}
	if err != nil {
		return err.Error()
	}
	name := f.resultName(d)
	if other, taken := s.results[name]; taken && other != f.path {
		return fmt.Sprintf("the proxy names the signed file %s, which is the name of another one", name)
	}
	path, err := files.keep(d.Content, name)
	if err != nil {
		return err.Error()
	}
	s.progress.signed(path)
	return ""
}

// suffix matches what the proxy may add to the name of a file.
var suffix = regexp.MustCompile(`^\.[a-z0-9]{1,8}$`)

// resultName returns the name of the signed file: what the proxy says if it adds a suffix to the
// name, otherwise what is expected.
func (f *file) resultName(d *client.SignedDocument) string {
	added, ok := strings.CutPrefix(d.SignedName, f.sent())
	if ok && suffix.MatchString(added) {
		return f.name + added
	}
	return f.result
}
