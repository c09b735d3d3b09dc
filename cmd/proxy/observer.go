package main

import (
	"time"

	"github.com/signstash-proxy/signstash-proxy/pkg/callback"
	"github.com/signstash-proxy/signstash-proxy/pkg/credentials"
	"github.com/signstash-proxy/signstash-proxy/pkg/signing"
)

// callReturned is the outcome of a call that returned its signature values; see signing.Observer.
const callReturned = "returned"

// observer passes the events of the signing service to the parts that need them.
type observer struct {
	metrics     *signingMetrics
	signed      *signedDocuments
	credentials *credentials.Set
	tracing     *tracing
	callbacks   *callback.Notifier
	phase       *phase
}

// functions returns the functions that the signing service calls.
func (o *observer) functions() signing.Observer {
	return signing.Observer{
		Opened:         o.phase.opened,
		OperationEnded: o.operationEnded,
		DocumentEnded:  o.metrics.documentEnded,
		DocumentSigned: o.signed.add,
		CredentialRead: o.credentials.RecordRead,
		CallEnded:      o.callEnded,
	}
}

func (o *observer) operationEnded(_ string, status signing.Status) {
	o.metrics.operationEnded(status)
	o.callbacks.Wake()
}

func (o *observer) callEnded(c *signing.Credential, id string, digests int, took time.Duration, outcome string) {
	o.credentials.RecordCall(c, outcome)
	o.tracing.called(c, id, digests, took, outcome)
	o.metrics.callEnded(c, digests, took, outcome)
}
