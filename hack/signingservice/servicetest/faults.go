package servicetest

import (
	"time"

	"github.com/signstash-proxy/signstash-proxy/hack/signingservice/service"
	"github.com/signstash-proxy/signstash-proxy/pkg/provider/providertest"
	"github.com/signstash-proxy/signstash-proxy/pkg/signing"
)

// Digests is the number of digests of the calls in SignHashFaults.
const Digests = 3

// SignHashFault is a permanent fault of signHash.
type SignHashFault struct {
	Misbehaviour service.Misbehaviour
	// Want is the outcome of a call of Digests digests to a service whose answer cannot be fetched
	// again.
	Want providertest.Outcome
	// Lost is true if the service signed correctly but its answer is unusable. A provider that can
	// fetch the values in another call then signs.
	Lost bool
}

// SignHashFaults returns the meaning of every Misbehaviour at signHash.
func SignHashFaults() []SignHashFault {
	known := func(kind signing.Kind, retry bool) providertest.Outcome {
		return providertest.Outcome{Kind: kind, Retry: retry}
	}
	unknown := func(kind signing.Kind, retry bool, spent int) providertest.Outcome {
		return providertest.Outcome{Kind: kind, Retry: retry, Unknown: true, Spent: spent}
	}
	after := func(o providertest.Outcome, pause time.Duration) providertest.Outcome {
		o.RetryAfter = pause
		return o
	}
	const provider = signing.KindProvider
	unfit := providertest.Outcome{Bad: true, Spent: Digests}
	return []SignHashFault{
		{Misbehaviour: service.TooManyRequests, Want: known(provider, true)},
		{Misbehaviour: service.TooManyRetryAfter, Want: after(known(provider, true), 2*time.Second)},
		{Misbehaviour: service.ErrorBefore, Want: unknown(provider, true, 0)},
		{Misbehaviour: service.Unavailable, Want: after(unknown(provider, true, 0), 3*time.Second)},
		{Misbehaviour: service.Gateway, Want: unknown(provider, true, 0)},
		{Misbehaviour: service.CutBefore, Want: unknown(provider, true, 0)},
		{Misbehaviour: service.Refused, Want: known(provider, false)},
		{Misbehaviour: service.ExpiredToken, Want: known(signing.KindProviderCredentials, false)},
		{Misbehaviour: service.ExpiredSAD, Want: known(provider, true)},
		{Misbehaviour: service.ErrorAfter, Want: unknown(provider, true, Digests), Lost: true},
		{Misbehaviour: service.CutAfter, Want: unknown(provider, true, Digests), Lost: true},
		{Misbehaviour: service.HalfAnswer, Want: unknown(provider, true, Digests), Lost: true},
		{Misbehaviour: service.Stalled, Want: unknown(provider, true, Digests), Lost: true},
		{Misbehaviour: service.NotJSON, Want: unknown(provider, true, Digests), Lost: true},
		{Misbehaviour: service.Empty, Want: unknown(provider, false, Digests), Lost: true},
		{Misbehaviour: service.Huge, Want: unknown(provider, true, Digests), Lost: true},
		{Misbehaviour: service.TimedOutAfter, Want: unknown(provider, true, Digests), Lost: true},
		{Misbehaviour: service.TooManyAfter, Want: after(unknown(provider, true, Digests), 2*time.Second), Lost: true},
		{Misbehaviour: service.HungUpAfter, Want: unknown(provider, true, Digests), Lost: true},
		{Misbehaviour: service.ServerErrorAfter, Want: unknown(provider, true, Digests), Lost: true},
		{Misbehaviour: service.NotFoundAfter, Want: unknown(signing.KindConfiguration, false, Digests), Lost: true},
		{Misbehaviour: service.RedirectAfter, Want: unknown(signing.KindConfiguration, false, Digests), Lost: true},
		{Misbehaviour: service.WrongOrder, Want: unfit},
		{Misbehaviour: service.TooFewValues, Want: unfit},
		{Misbehaviour: service.TooManyValues, Want: unfit},
		{Misbehaviour: service.WrongKey, Want: unfit},
		{Misbehaviour: service.RawECDSA, Want: providertest.Outcome{OK: true, Spent: Digests}},
		{Misbehaviour: service.BadBase64, Want: unknown(provider, false, Digests)},
	}
}

// Harmless reports whether a misbehaviour changes nothing at an endpoint other than signHash.
func Harmless(r service.Misbehaviour) bool {
	switch r {
	case service.ExpiredSAD, service.WrongOrder, service.TooFewValues, service.TooManyValues, service.WrongKey,
		service.RawECDSA, service.BadBase64:
		return true
	}
	return false
}

// Final reports whether a misbehaviour looks like a refusal, so that a provider does not retry.
func Final(r service.Misbehaviour) bool {
	switch r {
	case service.Refused, service.NotFoundAfter, service.RedirectAfter:
		return true
	}
	return false
}
