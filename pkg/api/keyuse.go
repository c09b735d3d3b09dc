package api

import (
	"context"
	"time"

	"github.com/signstash-proxy/signstash-proxy/pkg/affinity"
	"github.com/signstash-proxy/signstash-proxy/pkg/keyhome"
	"github.com/signstash-proxy/signstash-proxy/pkg/signing"
)

// KeyHomes decides which instance may create the operation of an Idempotency-Key. *keyhome.Home is
// one. Implementations are safe for concurrent use.
type KeyHomes interface {
	Acquire(ctx context.Context, key keyhome.Key, print keyhome.Fingerprint) (*keyhome.Hold, error)
	Handle(ctx context.Context, m keyhome.Message) (keyhome.Reply, error)
	Hint(ctx context.Context, reference keyhome.Key)
	FindHint(ctx context.Context, reference keyhome.Key) (owner int, ok bool)
}

// keyRetryAfter is sent if an Idempotency-Key is refused for a reason that passes in a moment.
const keyRetryAfter = time.Second

// keyUse is the use of an Idempotency-Key by one request. The zero value is that of a request
// without a key. One goroutine uses it at a time.
type keyUse struct {
	x      *exchange
	key    string        // empty = none
	known  bool          // this instance holds an operation with the key
	hold   *keyhome.Hold // nil = no home was asked
	forget func()        // ends the registration in keys; nil = not registered

	// kept says that an operation with the key exists here, or may exist. The claim then stays, so
	// that a repetition comes to this instance. Otherwise end releases the claim.
	kept bool
}

// useKey finds out which instance may answer a request with an Idempotency-Key, before its body is
// read. If another instance has answered, answered is true. Otherwise the caller may create the
// operation, and must call end. A request that no home may grant is refused: nothing may be signed.
//
// The fingerprint of the request is not known yet, so the claim does not contain it. Only the owner
// compares fingerprints, when it has read the request.
func (x *exchange) useKey() (use *keyUse, answered bool, err error) {
	use = &keyUse{x: x}
	if use.key, err = idempotencyKey(x.r); err != nil || use.key == "" {
		return use, false, err
	}
	use.forget = x.api.keys.claim(clientKey{x.client.ID, use.key})
	mine := false
	defer func() {
		if !mine { // also after a panic
			use.end(x.r.Context())
		}
	}()
	answered, err = use.findOwner()
	mine = !answered && err == nil
	return use, answered, err
}

// findOwner is useKey for a request that has a key.
func (u *keyUse) findOwner() (answered bool, err error) {
	_, err = u.x.api.cfg.Service.FindByKey(u.x.r.Context(), u.x.client.ID, u.key)
	switch homes := u.x.api.cfg.KeyHomes; {
	case err == nil:
		u.known = true
		return false, nil
	case signing.KindOf(err) != signing.KindNotFound:
		return false, err
	case homes != nil:
		return u.claim(homes)
	case u.x.api.cfg.Forwarder.MayAsk(u.x.r):
		return u.askAll()
	}
	return false, nil
}

// claim claims the key at its home, and forwards the request if another instance owns the key.
func (u *keyUse) claim(homes KeyHomes) (answered bool, err error) {
	if err := u.x.body.admit(); err != nil {
		return false, err
	}
	ctx := u.x.r.Context()
	u.hold, err = homes.Acquire(ctx, keyhome.KeyOf(u.x.client.ID, u.key), keyhome.Fingerprint{})
	outcome := keyhome.Refuse
	if u.hold != nil {
		outcome = u.hold.Outcome
	}
	u.x.api.metrics.claims.WithLabelValues(string(outcome)).Inc()
	switch {
	case err != nil:
		return false, u.noClaim(err)
	case outcome == keyhome.Forward:
		return u.forward()
	case outcome != keyhome.Create:
		return false, u.refused(u.hold.Missing)
	case !u.hold.AskAll:
		return false, nil
	}
	if answered, err = u.askAll(); answered || err != nil {
		return answered, err
	}
	granted, err := u.hold.AskedAll(ctx)
	if err != nil {
		return false, u.noClaim(err)
	}
	if !granted {
		return false, changing()
	}
	return false, nil
}

// noClaim is the error if the claims of this instance could not be read or written, or are not
// loaded yet.
func (u *keyUse) noClaim(cause error) error {
	if err := u.x.api.cfg.Forwarder.Unread(); err != nil {
		return err
	}
	return signing.Errorf(signing.KindBusy, "this instance cannot claim an Idempotency-Key now").
		Because(cause).Retryable(keyRetryAfter)
}

// refused is the error if no home may decide about the key. missing is the instance that did
// not answer; -1 = it is not known which.
func (u *keyUse) refused(missing int) error {
	if missing < 0 {
		return changing()
	}
	return u.x.api.cfg.Forwarder.Missing(missing)
}

// changing is the error while another instance takes over the decision about a key.
func changing() error {
	return signing.Errorf(signing.KindBusy, "the instances that decide about this Idempotency-Key are changing").
		Retryable(keyRetryAfter)
}

// forward lets the owner of the key answer, which decides whether it has the operation and
// whether the request is the same. A request is forwarded once. If it was forwarded already, this
// instance was the owner a moment ago, or the other one has an old copy of the claim.
func (u *keyUse) forward() (answered bool, err error) {
	owner, gone := u.hold.Owner, u.hold.Gone
	u.end(u.x.r.Context()) // the owner may ask this instance whether it is reading a request with the key
	forwarder := u.x.api.cfg.Forwarder
	if affinity.Forwarded(u.x.r) {
		return false, signing.Errorf(signing.KindBusy, "instance %s owns the Idempotency-Key now", forwarder.NameOf(owner)).
			Retryable(keyRetryAfter)
	}
	to, err := forwarder.Instance(owner)
	if err == nil {
		answered, err = newPeerCall(u.x).send(newForwardBody(u.x.body), to, max(u.x.api.cfg.SyncWait, 0))
	}
	if gone && !answered && signing.KindOf(err) == signing.KindBusy {
		e := signing.AsError(err)
		err = signing.Errorf(signing.KindBusy, "instance %s was removed; the operation of this Idempotency-Key "+
			"is on its volume, if it exists, so the key can be used again when the instance is back or the key expires",
			forwarder.NameOf(owner)).Because(err).Retryable(e.RetryAfter)
	}
	return answered, err
}

// askAll asks all other instances for the key, in the way of releases without key homes. If one
// of them knows it, the request is forwarded to that instance. If an expected instance cannot be
// asked, the error is KindBusy and nothing is signed.
func (u *keyUse) askAll() (answered bool, err error) {
	if err := u.x.body.admit(); err != nil {
		return false, err
	}
	call := newPeerCall(u.x)
	owner, err := call.keyOwner()
	if owner == nil {
		return false, err
	}
	u.end(u.x.r.Context())
	if affinity.Forwarded(u.x.r) {
		// The claim is released now. A repetition finds the other instance without this one.
		return false, signing.Errorf(signing.KindBusy, "instance %s knows the Idempotency-Key", owner.Name).
			Retryable(keyRetryAfter)
	}
	call.asked = true
	return call.send(newForwardBody(u.x.body), owner, max(u.x.api.cfg.SyncWait, 0))
}

// end ends the use of the key. Further calls do nothing. ctx may be done.
func (u *keyUse) end(ctx context.Context) {
	if u.hold != nil {
		u.hold.Done(ctx, u.kept)
		u.hold = nil
	}
	if u.forget != nil {
		u.forget()
		u.forget = nil
	}
}

// submitted records the result of signing.Service.Submit. Before the call, kept must be true,
// because Submit may panic.
func (u *keyUse) submitted(err error) {
	e := signing.AsError(err)
	u.kept = err == nil || e.Unknown || e.Kind == signing.KindKeyReused
}
