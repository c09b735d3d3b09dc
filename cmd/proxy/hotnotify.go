package main

import (
	"net/http"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/signstash-proxy/signstash-proxy/pkg/api"
	"github.com/signstash-proxy/signstash-proxy/pkg/clientservice"
	"github.com/signstash-proxy/signstash-proxy/pkg/hotfolder"
	"github.com/signstash-proxy/signstash-proxy/pkg/hotfolder/bucket"
	"github.com/signstash-proxy/signstash-proxy/pkg/signing"
)

// notifications passes notifications of new files to the hot folders of their client services. It
// implements api.HotFolders.
type notifications struct {
	engine  *hotfolder.Engine
	clients func() *clientservice.Services
	count   *prometheus.CounterVec
}

// hotFolders returns what receives notifications; nil = hot folders are not enabled.
func (p *proxy) hotFolders() api.HotFolders {
	if p.hotFolder == nil {
		return nil
	}
	n := &notifications{engine: p.hotFolder, clients: p.clients.Current, count: prometheus.NewCounterVec(
		prometheus.CounterOpts{
			Name: "signstash_hotfolder_notifications_total",
			Help: "Notifications of new files, by result: accepted, elsewhere (they name only files of other folders), " +
				"refused (they cannot be read).",
		}, []string{"client_service", "result"})}
	p.registry.MustRegister(n.count)
	for c := range p.clients.Current().All() {
		if c.InputFolder == "" {
			continue
		}
		for _, result := range []string{"accepted", "elsewhere", "refused"} {
			n.count.WithLabelValues(c.ID, result) // create the series at 0, because increase() misses a first event
		}
	}
	return n
}

// Notify implements api.HotFolders. A notification has no effect on the folders of other client
// services, and its answer does not tell which files exist.
func (n *notifications) Notify(client string, header http.Header, body []byte) (validation string, err error) {
	c := n.clients().Lookup(client)
	if c == nil || c.InputFolder == "" {
		return "", signing.Errorf(api.KindNoHotFolder, "the client service has no hot folder")
	}
	message, err := bucket.ParseNotification(header, body)
	if err != nil {
		n.count.WithLabelValues(client, "refused").Inc()
		return "", signing.Errorf(signing.KindMalformed, "%s", err)
	}
	if message.Validation != "" {
		return message.Validation, nil
	}
	names := namesIn(c, message.Objects)
	if len(message.Objects) > 0 && len(names) == 0 {
		n.count.WithLabelValues(client, "elsewhere").Inc()
		return "", nil
	}
	n.engine.Notify(client, names) // a folder that cannot be used now is listed later anyway
	n.count.WithLabelValues(client, "accepted").Inc()
	return "", nil
}

// namesIn returns the names of the objects that are in the input folder of a client service.
func namesIn(c *clientservice.ClientService, objects []bucket.Object) []string {
	places, err := bucket.ParsePlaces(c.InputFolder, c.OutputFolder, c.BackupFolder)
	if err != nil {
		return nil // a local folder, or a mistake that the engine reports
	}
	return places.Names(objects)
}
