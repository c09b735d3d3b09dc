package api

import (
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/signstash-proxy/signstash-proxy/pkg/affinity"
	"github.com/signstash-proxy/signstash-proxy/pkg/signing"
)

// askPeers lets other instances answer a request whose operation this one does not hold. It returns
// notFound if they do not hold the operation either.
func (x *exchange) askPeers(notFound error) error {
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

// askForNewer lets another instance answer if it holds a newer operation. own is the creation time
// of this instance's operation; zero if it has none.
func (x *exchange) askForNewer(own time.Time) (answered bool, err error) {
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

// probe returns the path of a call that finds out which instance can answer the request. The probe
// has no other effect. The request itself may return a whole result, or remove an operation.
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

// askForKey lets the instance answer that knows the request's Idempotency-Key. If an expected
// instance cannot be asked, the error is KindBusy and nothing is signed.
func (x *exchange) askForKey() (answered bool, err error) {
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
	if answered, err = f.Send(x, x.peerRequest(), newForwardBody(x), owner, max(x.api.cfg.SyncWait, 0)); answered {
		x.forwarded = owner.Name
	}
	return answered, err
}
