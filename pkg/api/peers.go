package api

import (
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/signstash-proxy/signstash-proxy/pkg/affinity"
	"github.com/signstash-proxy/signstash-proxy/pkg/signing"
)

// elsewhere lets other instances answer what this one does not know. notFound is the answer if they
// do not know it either.
func (x *exchange) elsewhere(notFound error) error {
	f := x.api.cfg.Forwarder
	if !f.Elsewhere(x.r) || x.askedAll {
		return notFound
	}
	wait, err := pollTime(x.r.URL.Query())
	if err != nil {
		return err
	}
	done, err := x.passOn()
	if err != nil {
		return err
	}
	defer done()
	var answered bool
	if x.path.id != "" {
		owner, oerr := f.Owner(x.operation)
		if owner == nil {
			if oerr == nil {
				oerr = notFound
			}
			return oerr
		}
		if answered, err = f.Send(x, x.peerRequest(), nil, owner, wait); answered {
			x.forwarded = owner.Name
		}
	} else if answered, err = f.Search(x, x.peerRequest(), wait); answered {
		x.forwarded = x.Header().Get(affinity.InstanceHeader)
	}
	if !answered && err == nil {
		err = notFound
	}
	return err
}

// newerElsewhere lets the instance answer that knows the newest operation of those that may know
// one; own is when this one's was created, zero if it knows none.
func (x *exchange) newerElsewhere(own time.Time) (answered bool, err error) {
	f := x.api.cfg.Forwarder
	if !f.Elsewhere(x.r) {
		return false, nil
	}
	x.askedAll = true
	if answered, err = f.Newest(x, x.peerRequest(), own); answered {
		x.forwarded = x.Header().Get(affinity.InstanceHeader)
	}
	return answered, err
}

// probe is a question that finds out who can answer the request, and does nothing else: the details
// of an operation hold its result.
func (x *exchange) probe() string {
	if strings.Contains(x.route, "/operation/sign/detail/withExternalReference/") {
		if ref, err := x.path.reference(x.r.URL.Query()); err == nil {
			return x.api.cfg.BasePath + apiPath + "operation/status/withExternalReference?externalReference=" + url.QueryEscape(
				ref,
			)
		}
	}
	if x.r.Method == http.MethodDelete {
		return x.api.cfg.BasePath + apiPath + "operation/status/" + x.operation.String()
	}
	return x.r.URL.RequestURI()
}

// keyElsewhere lets the instance answer that knows the request's Idempotency-Key. Where another
// expected instance cannot be asked, nothing is signed: KindBusy.
func (x *exchange) keyElsewhere() (answered bool, err error) {
	f := x.api.cfg.Forwarder
	if x.key == "" || !f.Elsewhere(x.r) {
		return false, nil
	}
	if _, err := x.api.cfg.Service.FindByKey(
		x.r.Context(),
		x.client.ID,
		x.key,
	); signing.KindOf(err) != signing.KindNotFound ||
		err == nil {
		return false, err
	}
	if err := x.body.admit(); err != nil {
		return false, err
	}
	owner, err := f.KeyOwner(x.peerRequest(), x.api.cfg.BasePath+apiPath+"operation/id/withIdempotencyKey")
	if owner == nil {
		return false, err
	}
	if answered, err = f.Send(x, x.peerRequest(), newLent(x), owner, max(x.api.cfg.SyncWait, 0)); answered {
		x.forwarded = owner.Name
	}
	return answered, err
}
