package csc

import (
	"context"
	"crypto"
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/go-logr/logr"

	"github.com/signstash-proxy/signstash-proxy/pkg/internal/pace"
	"github.com/signstash-proxy/signstash-proxy/pkg/signing"
)

// signer calls signatures/signHash, and signatures/signPolling in operationMode A. It is safe for
// concurrent use.
type signer struct {
	name   string // of the credential
	set    Settings
	log    logr.Logger
	client *client
}

// signHash makes the call that costs money. Its failures say whether the call may have been carried
// out.
func (g *signer) signHash(ctx context.Context, s *state, call signing.Call, sad string) ([][]byte, *failure) {
	r := signRequest{
		CredentialID:   s.id,
		SAD:            sad,
		SignAlgo:       s.algorithm.oid,
		SignAlgoParams: s.algorithm.params,
		ClientData:     call.ID,
	}
	hashOID := s.algorithm.hashOID
	if s.algorithm.implied {
		hashOID = ""
	}
	if s.at.v1 {
		r.Hash, r.HashAlgo = encode(call.Digests), hashOID
	} else {
		r.Hashes, r.HashAlgorithmOID = encode(call.Digests), hashOID
		if r.OperationMode = g.set.OperationMode; s.at.asynchronous {
			r.OperationMode = "A"
		}
	}
	var a signAnswer
	if _, f := g.client.authorized(ctx, s.at, methodSign(len(call.Digests)), r, &a); f != nil {
		if (f.Hint == renewSAD || f.Hint == renewToken) && !f.Unknown {
			// The next call has a new token and new activation data. The caller makes that call and counts
			// it.
			f.Because(fmt.Errorf("%w: %w", signing.ErrRenewed, f.Err))
		}
		return nil, f
	}
	if s.at.asynchronous && len(a.Signatures) == 0 {
		return g.await(ctx, s, call, a.ResponseID)
	}
	return values(a, s.Certificate().PublicKey)
}

// values reads the signature values from an answer. The caller must verify that they fit the
// digests. A wrong number of values is passed on unchanged.
func values(a signAnswer, key crypto.PublicKey) ([][]byte, *failure) {
	if len(a.Signatures) == 0 {
		return nil, unusable(errors.New("answer has no signatures"))
	}
	values, err := decodeValues(a.Signatures, key)
	if err != nil {
		return nil, unusable(err)
	}
	return values, nil
}

// maxHandle is the largest size of a responseID in bytes, because it is stored.
const maxHandle = 1 << 10

// polling is the pause before each signPolling. The first one follows signHash.
var polling = pace.Backoff{First: 250 * time.Millisecond, Max: 2 * time.Second}

// await records the responseID and polls for the values.
func (g *signer) await(ctx context.Context, s *state, call signing.Call, handle string) ([][]byte, *failure) {
	if handle == "" || len(handle) > maxHandle {
		return nil, unusable(errors.New("answer has neither signatures nor a usable responseID"))
	}
	if call.Note != nil {
		// Wait for the paid signatures even if the handle could not be stored.
		if err := call.Note(ctx, handle); err != nil {
			g.log.Error(err, "could not record the responseID", "call", call.ID, "credential", g.name)
		}
	}
	if err := pace.Pause(ctx, polling.First); err != nil {
		return nil, late(err)
	}
	values, f := g.poll(ctx, s, len(call.Digests), handle)
	if f != nil {
		f.Unknown = true // signHash was accepted, whatever the polling returned
	}
	return values, f
}

// poll calls signPolling until the values arrive, the service refuses, or ctx ends. The caller
// decides what a failure means for the outcome.
func (g *signer) poll(ctx context.Context, s *state, n int, handle string) ([][]byte, *failure) {
	wait := polling.First
	for {
		var a signAnswer
		status, f := g.client.authorized(ctx, s.at, methodPolling(n), map[string]string{"requestID": handle}, &a)
		if f == nil && status == http.StatusOK {
			return values(a, s.Certificate().PublicKey)
		}
		if f != nil && !f.Retry {
			return nil, f
		}
		if f != nil {
			wait = max(wait, f.RetryAfter)
		}
		if err := pace.Pause(ctx, wait); err != nil {
			return nil, late(err)
		}
		wait = polling.Next(wait)
	}
}

// late returns the failure for values that did not arrive in time but may still arrive.
func late(err error) *failure {
	f := fail(signing.KindProvider, "the signing service did not finish in time").Because(err).Retryable(0)
	f.Unknown = true
	return f
}
