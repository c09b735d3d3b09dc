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
	Rudeness service.Rudeness
	// Want is the outcome of a call of Digests digests to a service whose answer cannot be fetched
	// again.
	Want providertest.Outcome
	// Lost is true if the service signed correctly but its answer is unusable. A provider that can
	// fetch the values in another call then signs.
	Lost bool
}

// SignHashFaults returns the meaning of every Rudeness at signHash.
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
		{Rudeness: service.TooManyRequests, Want: known(provider, true)},
		{Rudeness: service.TooManyRetryAfter, Want: after(known(provider, true), 2*time.Second)},
		{Rudeness: service.ErrorBefore, Want: unknown(provider, true, 0)},
		{Rudeness: service.Unavailable, Want: after(unknown(provider, true, 0), 3*time.Second)},
		{Rudeness: service.Gateway, Want: unknown(provider, true, 0)},
		{Rudeness: service.CutBefore, Want: unknown(provider, true, 0)},
		{Rudeness: service.Refused, Want: known(provider, false)},
		{Rudeness: service.ExpiredToken, Want: known(signing.KindProviderCredentials, false)},
		{Rudeness: service.ExpiredSAD, Want: known(provider, true)},
		{Rudeness: service.ErrorAfter, Want: unknown(provider, true, Digests), Lost: true},
		{Rudeness: service.CutAfter, Want: unknown(provider, true, Digests), Lost: true},
		{Rudeness: service.HalfAnswer, Want: unknown(provider, true, Digests), Lost: true},
		{Rudeness: service.Stalled, Want: unknown(provider, true, Digests), Lost: true},
		{Rudeness: service.NotJSON, Want: unknown(provider, true, Digests), Lost: true},
		{Rudeness: service.Empty, Want: unknown(provider, false, Digests), Lost: true},
		{Rudeness: service.Huge, Want: unknown(provider, true, Digests), Lost: true},
		{Rudeness: service.TimedOutAfter, Want: unknown(provider, true, Digests), Lost: true},
		{Rudeness: service.TooManyAfter, Want: after(unknown(provider, true, Digests), 2*time.Second), Lost: true},
		{Rudeness: service.HungUpAfter, Want: unknown(provider, true, Digests), Lost: true},
		{Rudeness: service.ServerErrorAfter, Want: unknown(provider, true, Digests), Lost: true},
		{Rudeness: service.NotFoundAfter, Want: unknown(signing.KindConfiguration, false, Digests), Lost: true},
		{Rudeness: service.RedirectAfter, Want: unknown(signing.KindConfiguration, false, Digests), Lost: true},
		{Rudeness: service.WrongOrder, Want: unfit},
		{Rudeness: service.TooFewValues, Want: unfit},
		{Rudeness: service.TooManyValues, Want: unfit},
		{Rudeness: service.WrongKey, Want: unfit},
		{Rudeness: service.RawECDSA, Want: providertest.Outcome{OK: true, Spent: Digests}},
		{Rudeness: service.BadBase64, Want: unknown(provider, false, Digests)},
	}
}

// Harmless reports whether a rudeness changes nothing at an endpoint other than signHash.
func Harmless(r service.Rudeness) bool {
	switch r {
	case service.ExpiredSAD, service.WrongOrder, service.TooFewValues, service.TooManyValues, service.WrongKey,
		service.RawECDSA, service.BadBase64:
		return true
	}
	return false
}

// Final reports whether a rudeness looks like a refusal, so that a provider does not retry.
func Final(r service.Rudeness) bool {
	switch r {
	case service.Refused, service.NotFoundAfter, service.RedirectAfter:
		return true
	}
	return false
}
