//go:build e2e

package e2e

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/signstash-proxy/signstash-proxy/hack/verify"
)

const (
	api      = "/signstash/einvoice-integration-client-ws/api/v0/"
	tokenAPI = "/oauth2/authorization-server/oauth/token"
	original = "../../hack/samples/invoice-103767.pdf"

	front     = "http://" + release + "." + namespace + ".svc:8080" // leads to any pod
	trial     = "http://" + release + "-trial." + namespace + ".svc:8090"
	simulator = trial + "/simulator/"
)

// instanceURL is the URL of a pod inside of the cluster.
func instanceURL(ordinal int) string {
	return fmt.Sprintf("http://%s.%s-headless.%s.svc.cluster.local:8080", podName(ordinal), release, namespace)
}

// operation holds the fields of an operation that the tests read.
type operation struct {
	ID                        int64
	ExternalReference, Status string
	FolderExternalReference   string
	Host                      string
	Port                      int
	HostPort                  string
	DocumentList              []struct {
		ExternalReference, SignStatus, SignError, SignedContent string
	}
}

// request is a SignRequest with one document.
func request(t *testing.T, reference string) []byte {
	t.Helper()
	pdf, err := os.ReadFile(original)
	if err != nil {
		t.Fatal(err)
	}
	body, err := json.Marshal(
		object{"externalReference": reference, "description": "an invoice", "documents": []any{object{
			"documentRequest": object{
				"externalReference": reference, "name": "invoice.pdf", "contentType": "application/pdf",
				"base64Content": base64.StdEncoding.EncodeToString(pdf),
			},
			"signatureInfo": object{"signatureType": "PAdES", "reason": "Invoice"},
		}}},
	)
	if err != nil {
		t.Fatal(err)
	}
	return body
}

// ask makes a call into the cluster as the client service and checks the status.
func (w *world) ask(status int, method, url string, body []byte, header ...string) answer {
	w.t.Helper()
	a, err := call(w.t.Context(), w.door, w.admin, method, url, body, header...)
	if err != nil {
		w.t.Fatalf("%s %s: %v", method, url, err)
	}
	if a.status != status {
		w.t.Fatalf("%s %s: %v, want %d", method, url, a, status)
	}
	return a
}

func (w *world) decode(a answer) operation {
	w.t.Helper()
	var op operation
	if err := json.Unmarshal(a.body, &op); err != nil {
		w.t.Fatalf("answer %v: %v", a, err)
	}
	return op
}

// accept sends a document for asynchronous signing. A call with a key is refused while a peer
// cannot say whether it knows the key, for example a peer that was just replaced. Then accept
// repeats the call, as the README tells clients to do.
func (w *world) accept(base, reference string) operation {
	w.t.Helper()
	body := request(w.t, reference)
	var op operation
	w.eventually(func() error {
		a, err := call(w.t.Context(), w.door, w.admin, http.MethodPost, base+api+"document/sign/async/base64/", body,
			"Idempotency-Key", reference)
		switch {
		case err != nil:
			return err
		case a.status == http.StatusServiceUnavailable, a.status == http.StatusTooManyRequests:
			return fmt.Errorf("sign %s: %v", reference, a)
		case a.status != http.StatusAccepted:
			w.t.Fatalf("sign %s: %v, want %d", reference, a, http.StatusAccepted)
		}
		op = w.decode(a)
		return nil
	})
	return op
}

func statusURL(base, reference string) string {
	return base + api + "operation/status/withExternalReference/" + url.PathEscape(reference)
}

func detailURL(base, reference string) string {
	return base + api + "operation/sign/detail/withExternalReference/" + url.PathEscape(reference)
}

func byIDURL(base string, id int64) string {
	return fmt.Sprintf("%s%soperation/status/%d", base, api, id)
}

// ended waits until the operation with that reference has ended successfully. It asks at base.
func (w *world) ended(base, reference string) operation {
	w.t.Helper()
	var op operation
	w.eventually(func() error {
		a, err := call(w.t.Context(), w.door, w.admin, http.MethodGet, statusURL(base, reference)+"?wait=20s", nil)
		if err != nil {
			return err
		}
		var all []operation
		if err := json.Unmarshal(a.body, &all); err != nil || len(all) != 1 || all[0].Status != "EXECUTED" {
			return fmt.Errorf("status of %s: %v", reference, a)
		}
		op = all[0]
		return nil
	})
	return op
}

// signed checks that an operation of the cluster contains one signed document, and that independent
// verifiers accept it.
func (w *world) signed(op operation) {
	w.t.Helper()
	w.validFrom(op, w.root())
}

// root returns the root certificate of the simulated service (PEM).
func (w *world) root() []byte {
	w.t.Helper()
	pem, err := call(w.t.Context(), w.door, credential{}, http.MethodGet, simulator+"root.pem", nil)
	if err != nil || pem.status != http.StatusOK {
		w.t.Fatalf("root certificate: %v, %v", pem, err)
	}
	return pem.body
}

// validFrom checks that an operation contains one document whose signature chains to root (PEM).
func (w *world) validFrom(op operation, root []byte) {
	w.t.Helper()
	if len(op.DocumentList) != 1 || op.DocumentList[0].SignStatus != "SIGNED" {
		w.t.Fatalf("operation %d is %s with %d documents", op.ID, op.Status, len(op.DocumentList))
	}
	content, err := base64.StdEncoding.DecodeString(op.DocumentList[0].SignedContent)
	if err != nil {
		w.t.Fatal(err)
	}
	folder := w.t.TempDir()
	signed, rootFile := filepath.Join(folder, "signed.pdf"), filepath.Join(folder, "root.pem")
	for file, data := range map[string][]byte{signed: content, rootFile: root} {
		if err := os.WriteFile(file, data, 0o600); err != nil {
			w.t.Fatal(err)
		}
	}
	wantValid(w.t, rootFile, signed)
}

func wantValid(t *testing.T, root, signed string) {
	t.Helper()
	if missing := verify.Missing(); len(missing) > 0 && os.Getenv("CI") == "true" {
		t.Fatalf("verifiers are missing: %s", strings.Join(missing, ", "))
	}
	v, err := verify.New(t.Context(), root)
	if err != nil {
		t.Fatal(err)
	}
	defer v.Close()
	v.Offline = true // the responder's name exists only inside of the cluster
	report := v.File(t.Context(), original, signed)
	if err := report.Err(); err != nil {
		t.Errorf("signed document: %v", err)
	}
	t.Logf("asked: %s", strings.Join(report.Asked, ", "))
}

// counts returns the counters of the simulated service.
type counts struct {
	Signatures int64
	Held       int
}

func (w *world) counts() counts {
	w.t.Helper()
	var c counts
	a, err := call(w.t.Context(), w.door, credential{}, http.MethodGet, simulator+"counts", nil)
	if err == nil {
		err = json.Unmarshal(a.body, &c)
	}
	if err != nil {
		w.t.Fatalf("counts: %v", err)
	}
	return c
}

// simulate calls a control of the simulated service, such as hold or release.
func (w *world) simulate(control string) {
	w.t.Helper()
	if a, err := call(w.t.Context(), w.door, credential{}, http.MethodPost, simulator+control, nil); err != nil ||
		a.status != http.StatusNoContent {
		w.t.Fatalf("%s: %v, %v", control, a, err)
	}
}
