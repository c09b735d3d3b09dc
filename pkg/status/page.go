package status

import (
	"bytes"
	"context"
	_ "embed" // the template
	"fmt"
	"html/template"
	"math"
	"net/http"
	"time"

	"github.com/signstash-proxy/signstash-proxy/pkg/credentials"
)

// Snapshot is the data that the page shows.
type Snapshot struct {
	Version  string
	Instance string
	Ordinal  int
	Endpoint string // host:port at which clients reach this instance; empty = not known yet
	Ready    string // the answer of /readyz
	Started  time.Time

	Credentials     []credentials.Health
	MoreCredentials int           // how many credentials exist that are not in Credentials
	Certificates    []Certificate // without those of the credentials

	QueuedDocuments  int
	ActiveOperations int
	OldestQueued     time.Duration

	Signatures []Count // number of digests since the state folder was created, by outcome
	// SignedDocuments is the number of documents that were signed since the start, by type.
	SignedDocuments []Count

	StoredOperations                                   int64
	StoredBytes, UploadBytes, MetadataBytes, FreeBytes int64

	HotFolders []HotFolder // empty = not enabled, or no client service has one

	Recent []Operation // newest first
	// ShowReferences says whether the page shows external references, which may be invoice numbers.
	ShowReferences bool

	Faults []string // what could not be read for this page
}

// Certificate is a certificate with its expiry.
type Certificate struct {
	Use      string
	NotAfter time.Time
}

// Count is a number with its name.
type Count struct {
	Name  string
	Value int64
}

// HotFolder is what this instance knows of the hot folder of one client service.
type HotFolder struct {
	ClientService         string
	Input, Output, Backup string

	LastScan            time.Time // zero = the input folder was not listed yet
	Waiting, Incomplete int       // files in the input folder; files of these that are not complete
	Irregular           int       // folders, links and devices in the input folder
	OldestWait          time.Duration

	Runs    int       // runs that this instance works on
	LastRun time.Time // zero = never

	Unusable    bool
	LastFault   string // empty = never
	LastFaultAt time.Time
}

// Operation is one of the most recent operations.
type Operation struct {
	ID               int64
	ClientService    string
	Reference        string // empty unless Snapshot.ShowReferences
	Status           string
	Documents, Ended int
	Created          time.Time
	EndedAt          time.Time // zero = not ended yet
}

// Progress returns how much of the operation has ended, in percent.
func (o Operation) Progress() int {
	if o.Documents == 0 {
		return 0
	}
	return o.Ended * 100 / o.Documents
}

//go:embed page.html
var text string

var page = template.Must(template.New("page").Funcs(template.FuncMap{
	"bytes":    bytesText,
	"ago":      func(t time.Time) string { return "" },
	"utc":      utc,
	"duration": durationText,
	"days":     func(time.Time) int { return 0 },
	"soon":     func(time.Time) string { return "" },
}).Parse(text))

// policy is the Content-Security-Policy. It allows the page's own inline style and nothing else.
const policy = "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'; " +
	"frame-ancestors 'none'"

// snapshotTimeout is how long collecting the data for a page may take. A browser that waits longer
// would show nothing when the disk is slow.
const snapshotTimeout = 5 * time.Second

// Handler serves the page with the data that snapshot returns. now is the clock.
func Handler(snapshot func(context.Context) Snapshot, now func() time.Time) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		ctx, cancel := context.WithTimeout(r.Context(), snapshotTimeout)
		defer cancel()
		out, err := Render(snapshot(ctx), now())
		if err != nil {
			http.Error(w, "could not render the page", http.StatusInternalServerError)
			return
		}
		h := w.Header()
		h.Set("Content-Type", "text/html; charset=utf-8")
		h.Set("Content-Security-Policy", policy)
		h.Set("X-Content-Type-Options", "nosniff")
		h.Set("Referrer-Policy", "no-referrer")
		h.Set("Cache-Control", "no-store")
		_, _ = w.Write(out) // the client may have closed the connection
	})
}

// Render returns the page for the data s at the time now.
func Render(s Snapshot, now time.Time) ([]byte, error) {
	p, err := page.Clone()
	if err != nil {
		return nil, err
	}
	p.Funcs(template.FuncMap{
		"ago":  func(t time.Time) string { return ago(now, t) },
		"days": func(t time.Time) int { return daysLeft(now, t) },
		"soon": func(t time.Time) string { return urgency(daysLeft(now, t)) },
	})
	var out bytes.Buffer
	err = p.Execute(&out, struct {
		Snapshot
		Now time.Time
	}{s, now})
	return out.Bytes(), err
}

// Limits for the colour of a certificate's remaining days. A qualified certificate takes weeks to
// renew.
const (
	urgentDays = 7
	soonDays   = 30
)

func urgency(days int) string {
	switch {
	case days < urgentDays:
		return "bad"
	case days < soonDays:
		return "warn"
	}
	return "good"
}

func daysLeft(now, end time.Time) int { return int(math.Floor(end.Sub(now).Hours() / 24)) }

func utc(t time.Time) string {
	if t.IsZero() {
		return "–"
	}
	return t.UTC().Format("2006-01-02 15:04:05")
}

func ago(now, t time.Time) string {
	if t.IsZero() {
		return "never"
	}
	return durationText(now.Sub(t)) + " ago"
}

// durationText returns a duration in one or two units: 42 s, 3 min, 5 h 10 min, 12 d.
func durationText(d time.Duration) string {
	switch {
	case d < time.Minute:
		return fmt.Sprintf("%d s", int(d.Seconds()))
	case d < time.Hour:
		return fmt.Sprintf("%d min", int(d.Minutes()))
	case d < 48*time.Hour:
		return fmt.Sprintf("%d h %d min", int(d.Hours()), int(d.Minutes())%60)
	}
	return fmt.Sprintf("%d d", int(d.Hours())/24)
}

func bytesText(n int64) string {
	units := []string{"KiB", "MiB", "GiB", "TiB"}
	if n < 1024 {
		return fmt.Sprintf("%d B", n)
	}
	v := float64(n)
	for _, unit := range units {
		v /= 1024
		if v < 1024 || unit == units[len(units)-1] {
			return fmt.Sprintf("%.1f %s", v, unit)
		}
	}
	return ""
}
