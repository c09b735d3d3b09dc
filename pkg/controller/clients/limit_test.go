package clients_test

import (
	"fmt"
	"regexp"
	"strings"
	"testing"

	"github.com/signstash-proxy/signstash-proxy/pkg/clientservice"
	"github.com/signstash-proxy/signstash-proxy/pkg/controller/internal/testenv"
)

// big returns a client service that takes kib KiB of the rendered Secret.
func big(id, secret string, kib int) data {
	return data{"clientId": id, "secret": secret, "config": fmt.Sprintf(
		`{"visibleSignatureInfo": {"locationType": "COORDINATE", "locationValue": "1", "imageValue": "%s"}}`,
		strings.Repeat("A", kib<<10),
	)}
}

// wantTooLarge waits for the Warning event on a Secret that does not fit. It names the bytes that
// are needed and left, and the limit.
func (w *world) wantTooLarge(name string) {
	w.t.Helper()
	note := regexp.MustCompile(`needs \d+ bytes more, and \d+ are left of the 104\d{4} that`)
	testenv.Eventually(w.t, func() error {
		events, err := w.events(name)
		if err != nil {
			return err
		}
		for _, e := range events {
			if e.Reason == "TooLarge" && note.MatchString(e.Note) {
				return nil
			}
		}
		return fmt.Errorf("events on %s are %v", name, events)
	})
}

// TestLimit checks that a change that does not fit into 1 MiB is not rendered, while changes that
// free space or that fit are rendered.
func TestLimit(t *testing.T) {
	w := newWorld(t)
	w.secret("a", big("A", "1", 500))
	w.secret("b", big("B", "1", 400))
	w.want(data{"A": "1", "B": "1"})
	w.secret("c", big("C", "1", 200))
	w.wantTooLarge("c")
	w.secret("d", data{"clientId": "D", "secret": "1"})
	w.want(data{"A": "1", "B": "1", "D": "1"})
	if got := w.gauge("signstash_controller_client_secrets_refused", "TooLarge"); got != 1 {
		t.Errorf("the metric counts %v Secrets too large, want 1", got)
	}
	w.replace("a", big("A", "2", 650))
	w.wantTooLarge("a")
	w.stays(data{"A": "1", "B": "1", "D": "1"})
	w.restart()
	w.stays(data{"A": "1", "B": "1", "D": "1"})
	w.replace("b", big("B", "2", 300)) // now the new A fits, because it is older than C
	w.want(data{"A": "2", "B": "2", "D": "1"})
	w.delete("a")
	s := w.want(data{"B": "2", "C": "1", "D": "1"})
	if got, want := w.gauge("signstash_controller_rendered_bytes", ""), float64(500<<10); got < want || got > want+3000 {
		t.Errorf("the metric says %v bytes, want about %v; the file has %d", got, want, len(s.Data[clientservice.FileName]))
	}
}

// TestLimitOfChangedID checks that a client service keeps its old id if the Secret with the new id
// does not fit.
func TestLimitOfChangedID(t *testing.T) {
	w := newWorld(t)
	w.secret("a", big("A", "1", 400))
	w.secret("b", big("B", "1", 500))
	w.want(data{"A": "1", "B": "1"})
	w.replace("a", big("A2", "2", 600))
	w.wantTooLarge("a")
	w.stays(data{"A": "1", "B": "1"})
	w.replace("a", big("A2", "2", 399))
	w.want(data{"A2": "2", "B": "1"})
}
