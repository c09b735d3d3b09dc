package main

import (
	"context"
	"fmt"

	"github.com/signstash-proxy/signstash-proxy/pkg/status"
)

// recentOperations is the number of operations that the status page lists.
const recentOperations = 100

// maxCredentials is the number of credentials that the status page lists. There may be many,
// because each client service at the service domain has its own credential.
const maxCredentials = 100

// snapshot collects the data of the status page. If some data cannot be read, the page says so and
// shows the rest, because operators look at it when something is wrong.
func (m *management) snapshot(ctx context.Context) status.Snapshot {
	_, ready := m.readiness(ctx)
	endpoint := m.instances.endpoint()
	queue := m.service.Stats()
	s := status.Snapshot{
		Version: version, Instance: m.cfg.InstanceName, Ordinal: m.cfg.InstanceOrdinal, Ready: ready, Started: m.started,
		QueuedDocuments: queue.QueuedDocuments, ActiveOperations: queue.ActiveOperations,
		OldestQueued: queue.OldestQueued, ShowReferences: m.cfg.Management.ShowReferences,
	}
	s.SignedDocuments = m.signed.list()
	s.HotFolders = m.readHotFolders()
	s.Credentials, s.MoreCredentials = m.credentials.Health(maxCredentials)
	if endpoint.Host != "" {
		s.Endpoint = endpoint.HostPort()
	}
	if m.certificate != nil {
		s.Certificates = append(s.Certificates, status.Certificate{Use: "REST port", NotAfter: m.certificate.NotAfter()})
	}
	for _, read := range []func(context.Context, *status.Snapshot) error{m.readSpool, m.readSignatures, m.readRecent} {
		if err := read(ctx, &s); err != nil {
			m.log.Error(err, "could not read all data of the status page")
			s.Faults = []string{"Not all of the state folder can be read; the log says why."} // show the rest anyway
		}
	}
	return s
}

func (m *management) readSpool(ctx context.Context, s *status.Snapshot) error {
	st, err := m.state.store.Stats(ctx)
	s.StoredOperations, s.StoredBytes, s.UploadBytes = st.Operations, st.StoredBytes, st.UploadingBytes
	s.MetadataBytes, s.FreeBytes = st.MetadataBytes, st.FreeBytes
	return err
}

func (m *management) readSignatures(ctx context.Context, s *status.Snapshot) error {
	n, err := m.state.store.Counters(ctx)
	s.Signatures = []status.Count{
		{Name: "sent", Value: n.Sent},
		{Name: "returned", Value: n.Returned},
		{Name: "refused", Value: n.Refused},
		{Name: "unknown", Value: n.Unknown},
	}
	return err
}

func (m *management) readRecent(ctx context.Context, s *status.Snapshot) error {
	recent, err := m.state.store.Recent(ctx, recentOperations)
	if err != nil {
		return fmt.Errorf("list operations: %w", err)
	}
	for _, r := range recent {
		op := status.Operation{
			ID: int64(r.ID), ClientService: r.ClientService, Status: string(r.Status),
			Documents: r.DocumentCount, Ended: r.EndedDocuments, Created: r.Created, EndedAt: r.Ended,
		}
		if s.ShowReferences {
			op.Reference = r.ExternalReference
		}
		s.Recent = append(s.Recent, op)
	}
	return nil
}
