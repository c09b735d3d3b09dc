package main

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"
)

const clientsHelp = `kubectl signstash clients

Prints a row for each Secret of type signstash.io/client-service: whether the controller has accepted it, its
provider, how many documents were signed today, and the last Warning event about it. Kubernetes keeps events for an
hour by default. A restart of the controller reports all faults again. The command prints no secret.

Today begins at midnight on this computer. Signed documents count if their operation has ended today and is still
stored.

Rights: list statefulsets.apps, pods, secrets and events; get secrets; create pods/portforward.
`

// States of a client Secret besides those of stateOf.
const (
	stateAccepted = "Accepted"
	statePending  = "Pending"  // the controller has not rendered it yet
	stateUnknown  = "Unknown"  // there is no event, and what is rendered cannot be read
	stateDeleted  = "Deleting" // it is being deleted
	reasonType    = "WrongSecretType"
)

// stateOf is the state of a Secret by the reason of its last event.
var stateOf = map[string]string{
	"Accepted": stateAccepted, "InvalidClientService": "Invalid", "DuplicateClientID": "Duplicate",
	"TooLarge": "TooLarge", "UnknownProvider": "UnknownProvider", reasonType: "WrongType",
}

// clientView is one client Secret.
type clientView struct {
	Secret string `json:"secret"`
	// ClientID is empty if the content of the Secret is not valid, because somebody may have put a
	// secret under the key of the id.
	ClientID string `json:"clientId,omitempty"`
	State    string `json:"state"`
	// OldContent says that an earlier content of the Secret is in force, because the current one has a
	// fault.
	OldContent  bool       `json:"oldContentInForce,omitempty"`
	Provider    string     `json:"provider,omitempty"` // empty = the default provider, or not readable
	SignedToday *int64     `json:"signedToday"`        // null = not known
	LastFault   *faultView `json:"lastFault,omitempty"`

	readable bool // whether the Secret says which provider it wants
}

func runClients(ctx context.Context, args []string, s streams) error {
	var o options
	if err := noArguments(newFlags("clients", clientsHelp, s, &o), args, &o); err != nil {
		return err
	}
	c, err := connect(o, s.now)
	if err != nil {
		return err
	}
	views, faults, err := c.clients(ctx, o.release)
	if err != nil {
		return err
	}
	if err := o.show(s, views, func(t *table) { printClients(t, views, c.now()) }); err != nil {
		return err
	}
	return notes(s, faults)
}

// clients collects the rows. It also returns what it could not read.
func (c *cluster) clients(ctx context.Context, name string) (views []clientView, faults []string, err error) {
	r, err := c.findRelease(ctx, name)
	if err != nil {
		return nil, nil, err
	}
	secrets, err := c.clientSecrets(ctx)
	if err != nil {
		return nil, nil, err
	}
	origins, err := c.inForce(ctx, r.clientsSecret())
	renderedKnown := err == nil
	if err != nil {
		faults = append(faults, "what is in force: "+err.Error())
	}
	events, err := c.events(ctx, "involvedObject.kind=Secret")
	if err != nil {
		faults = append(faults, "events: "+err.Error())
	}
	signed, more := c.signedToday(ctx, r)
	faults = append(faults, more...)
	last := lastEvents(events)
	views = []clientView{}
	for i := range secrets {
		uid := secrets[i].Metadata.UID
		id, rendered := origins[uid]
		v := newClientView(&secrets[i], last[uid], rendered, renderedKnown)
		if rendered {
			v.ClientID = id
		}
		inForce := rendered || v.State == stateAccepted
		if n := signed[v.ClientID]; inForce && signed != nil {
			v.SignedToday = &n
		}
		views = append(views, v)
		delete(last, uid)
	}
	return append(views, c.wrongTypes(ctx, last)...), faults, nil
}

// lastEvent is what the newest events say about a Secret.
type lastEvent struct {
	newest  *corev1.Event
	warning *corev1.Event // nil = no warning
}

// lastEvents returns the last events of the controller by the UID of the Secret. events are the
// newest first.
func lastEvents(events []corev1.Event) map[types.UID]lastEvent {
	last := map[types.UID]lastEvent{}
	for i := range events {
		e := &events[i]
		if _, ours := stateOf[e.Reason]; !ours {
			continue
		}
		l := last[e.InvolvedObject.UID]
		if l.newest == nil {
			l.newest = e
		}
		if l.warning == nil && e.Type == corev1.EventTypeWarning {
			l.warning = e
		}
		last[e.InvolvedObject.UID] = l
	}
	return last
}

func newClientView(s *clientSecret, last lastEvent, rendered, renderedKnown bool) clientView {
	v := clientView{Secret: s.Metadata.Name, LastFault: faultOf(last.warning)}
	v.Provider, v.readable = s.provider()
	faulty := last.newest != nil && last.newest.Type == corev1.EventTypeWarning
	switch {
	case s.Metadata.Deletion != nil:
		v.State = stateDeleted
	case faulty:
		v.State, v.OldContent = stateOf[last.newest.Reason], rendered
	case rendered, !renderedKnown && last.newest != nil:
		v.State = stateAccepted
	case renderedKnown:
		v.State = statePending
	default:
		v.State = stateUnknown
	}
	if v.State != stateOf["InvalidClientService"] && v.State != statePending && v.State != stateUnknown {
		v.ClientID = string(s.Data.ClientID)
	}
	return v
}

func faultOf(e *corev1.Event) *faultView {
	if e == nil {
		return nil
	}
	return &faultView{seen(e), e.InvolvedObject.Name, e.Reason, e.Message}
}

// wrongTypes returns rows for Secrets that look like client Secrets and have another type. The
// controller tells so in events.
func (c *cluster) wrongTypes(ctx context.Context, last map[types.UID]lastEvent) (views []clientView) {
	for uid, l := range last {
		name := l.newest.InvolvedObject.Name
		if l.newest.Reason == reasonType && c.exists(ctx, name, uid) {
			views = append(views, clientView{Secret: name, State: stateOf[reasonType], LastFault: faultOf(l.newest)})
		}
	}
	slices.SortFunc(views, func(a, b clientView) int { return strings.Compare(a.Secret, b.Secret) })
	return views
}

// signedToday returns the number of documents that all instances have signed today, by client
// service. It is nil if no instance answered.
func (c *cluster) signedToday(ctx context.Context, r *release) (sum map[string]int64, faults []string) {
	pods, err := c.pods(ctx, r)
	if err != nil {
		return nil, []string{"instances: " + err.Error()}
	}
	year, month, day := c.now().Date()
	answers := c.instances(ctx, pods, time.Date(year, month, day, 0, 0, 0, 0, c.now().Location()))
	for _, a := range answers {
		if a.err == nil && sum == nil {
			sum = map[string]int64{}
		}
		for id, n := range a.Signed {
			sum[id] += n
		}
	}
	return sum, unread(answers)
}

func printClients(t *table, views []clientView, now time.Time) {
	if len(views) == 0 {
		t.line("the namespace has no Secret of type %s", secretType)
		return
	}
	t.row("SECRET", "CLIENT ID", "STATE", "PROVIDER", "SIGNED TODAY", "LAST FAULT")
	for _, v := range views {
		state, provider, signed, fault := v.State, v.Provider, "", ""
		if v.OldContent {
			state += ", old content in force"
		}
		if provider == "" && v.readable {
			provider = "default"
		}
		if v.SignedToday != nil {
			signed = fmt.Sprint(*v.SignedToday)
		}
		if f := v.LastFault; f != nil {
			fault = fmt.Sprintf("%s ago: %s: %s", age(now.Sub(f.At)), f.Reason, f.Text)
		}
		t.row(v.Secret, v.ClientID, state, provider, signed, fault)
	}
}
