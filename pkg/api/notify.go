package api

import (
	"io"
	"net/http"
	"net/url"

	"github.com/signstash-proxy/signstash-proxy/pkg/api/limits"
	"github.com/signstash-proxy/signstash-proxy/pkg/internal/jsonstream"
	"github.com/signstash-proxy/signstash-proxy/pkg/signing"
)

// HotFolders receives notifications of new files. Implementations are safe for concurrent use.
type HotFolders interface {
	// Notify passes on a notification for the hot folder of a client service. header and body are
	// those of the request. validation is what the sender wants to have back in the answer; empty =
	// nothing. The error is a *signing.Error: KindMalformed if the notification cannot be read,
	// KindNoHotFolder if the client service has no hot folder.
	Notify(clientService string, header http.Header, body []byte) (validation string, err error)
}

// KindNoHotFolder means that the client service has no hot folder, or that hot folders are off.
const KindNoHotFolder signing.Kind = "no-hot-folder"

const notifyPath = "hotfolder/notify"

// maxNotification bounds a notification. A batch of Azure Event Grid has 1 MiB at most. The others
// are smaller.
const maxNotification = 1 << 20

// notifyHotFolder passes on a notification of new files. It is a hint: the hot folder looks for the
// files itself, so a false notification has no effect.
func notifyHotFolder(x *exchange) error {
	x.quiet = true
	if x.api.cfg.HotFolders == nil {
		return signing.Errorf(KindNoHotFolder, "hot folders are not enabled here")
	}
	body, err := x.readNotification()
	if err != nil {
		return err
	}
	validation, err := x.api.cfg.HotFolders.Notify(x.client.ID, x.r.Header, body)
	if err != nil {
		return err
	}
	if validation == "" {
		x.w.WriteHeader(http.StatusNoContent)
		return nil
	}
	return x.w.writeJSON(http.StatusOK, func(w *jsonstream.Writer) error {
		w.Object(func() { w.Member("validationResponse", validation) })
		return nil
	})
}

// readNotification reads the body within its bound.
func (x *exchange) readNotification() ([]byte, error) {
	if err := x.body.admit(); err != nil {
		return nil, err
	}
	done, err := x.api.uploads.Take(x.client.ID)
	if err != nil {
		return nil, err
	}
	defer done()
	x.body.pace.Rate = func() int64 { return x.api.uploads.LeastRate(x.client.ID) }
	body, err := io.ReadAll(io.LimitReader(x.body, maxNotification+1))
	if err == nil && len(body) > maxNotification {
		err = signing.Errorf(signing.KindTooLarge, "the notification is larger than %d bytes", maxNotification)
	}
	return body, err
}

// allowNotifications answers the question whether a sender may send notifications here, which
// senders of CloudEvents ask first (CloudEvents HTTP WebHook 4.1). The sender has shown the
// credentials of a client service, so the answer is yes.
func allowNotifications(x *exchange) error {
	x.quiet = true
	if x.api.cfg.HotFolders == nil {
		return signing.Errorf(KindNoHotFolder, "hot folders are not enabled here")
	}
	origin := x.r.Header.Get("WebHook-Request-Origin")
	if origin == "" {
		return signing.Errorf(signing.KindMissing, "the header WebHook-Request-Origin is missing")
	}
	h := x.w.Header()
	h.Set("Allow", "OPTIONS, POST")
	h.Set("WebHook-Allowed-Origin", origin)
	h.Set("WebHook-Allowed-Rate", "*")
	h.Set("Content-Length", "0")
	x.w.WriteHeader(http.StatusOK)
	return nil
}

// notifyRoutes are the calls for senders of notifications.
func (a *API) notifyRoutes() []route {
	pattern := a.cfg.BasePath + apiPath + notifyPath
	return []route{
		{method: http.MethodPost, pattern: pattern, notifier: true, handle: notifyHotFolder},
		{method: http.MethodOptions, pattern: pattern, notifier: true, handle: allowNotifications},
	}
}

// authenticateNotifier authenticates a sender of notifications. Beside the usual ways it accepts a
// notify token in the query, because some stores cannot send headers of their own.
func (a *authenticator) authenticateNotifier(x *exchange) (caller, error) {
	query, err := url.ParseQuery(x.r.URL.RawQuery)
	id, token := query.Get("clientService"), query.Get("token")
	if err != nil || token == "" || len(x.r.Header.Values("Authorization")) > 0 {
		return a.authenticate(x.r, x.began)
	}
	var c caller
	err = a.brake.Check(limits.NewBrakeKey(x.r.RemoteAddr, id), x.began, token, func() bool {
		c.client, c.shown = a.services().AuthenticateNotifier(id, token)
		return c.client != nil
	})
	return c, err
}
