//go:build e2e

package e2e

import (
	"encoding/json"
	"fmt"
	"strings"
)

// hidden is part of values that no message of the API server may show.
const hidden = "geheim"

// refusedSecrets are contents of client Secrets that the API server refuses, by the begin of its
// message.
var refusedSecrets = []struct {
	want string
	data object
}{
	{"clientId: is missing", object{"secret": hidden}},
	{"clientId: the id contains a colon", object{"clientId": hidden + ":", "secret": "s"}},
	{"secret: is missing", object{"clientId": hidden}},
	{"secret: ends with a line break", object{"clientId": "a", "secret": hidden + "\n"}},
	{"previousSecret: contains a control character",
		object{"clientId": "a", "secret": "s", "previousSecret": hidden + "\tx"}},
	{"client_id: unknown key; did you mean clientId?", object{"client_id": hidden, "secret": "s"}},
	{"config: want a JSON object", object{"clientId": "a", "secret": "s", "config": `{"inputFolder": "` + hidden}},
	{"config: the key folder is not known",
		object{"clientId": "a", "secret": "s", "config": `{"folder": "` + hidden + `"}`}},
	{"config.inputFolder: must begin with a slash",
		object{"clientId": "a", "secret": "s", "config": `{"inputFolder": "` + hidden + `"}`}},
	{"config.provider: no provider of this name",
		object{"clientId": "a", "secret": "s", "config": `{"provider": "` + hidden + `"}`}},
}

// acceptedConfigs are values of the key config that the API server and the controller accept.
var acceptedConfigs = []string{
	"", "{}", `{"inputFolder": "/in", "outputFolder": "/out", "backupFolder": "/backup"}`,
	`{"inputFolder": "s3://invoices/in"}`, `{"callbackUrl": "https://erp.example.org/done"}`,
	`{"signatureInfo": {"level": "B-T", "applyTimestamp": true}}`,
	`{"visibleSignatureInfo": {"locationType": "t", "locationValue": "{v}"}}`,
	"{\n  \"signatureInfo\": {\"reason\": \"é\"}\n}\n", `{"inputFolder": "\/in"}`, `{"provider": ""}`,
}

// admission applies Secrets that the API server refuses, and others that become client services.
func (w *world) admission() {
	for i, s := range refusedSecrets {
		err := w.tryApply(secretObject(fmt.Sprintf("refused-%d", i), "signstash.io/client-service", s.data))
		if err == nil || !strings.Contains(err.Error(), "denied request: "+s.want) || strings.Contains(err.Error(), hidden) {
			w.t.Errorf("kubectl apply: %v, want %q and no value", err, s.want)
		}
		if err := w.tryApply(secretObject(fmt.Sprintf("opaque-%d", i), "Opaque", s.data)); err != nil {
			w.t.Errorf("a Secret of another type: %v", err)
		}
		w.kubectl("delete", "secret", fmt.Sprintf("opaque-%d", i))
	}
	for i, config := range acceptedConfigs {
		name := fmt.Sprintf("good-%d", i)
		data := object{"clientId": name, "secret": "s", "config": config}
		if err := w.tryApply(secretObject(name, "signstash.io/client-service", data)); err != nil {
			w.t.Error(err)
			continue
		}
		w.wantEvent("Secret", name, "Accepted")
		w.kubectl("delete", "secret", name)
	}
}

func secretObject(name, kind string, data object) object {
	return object{"apiVersion": "v1", "kind": "Secret", "type": kind, "metadata": object{"name": name}, "stringData": data}
}

// tryApply applies an object, which the API server may refuse.
func (w *world) tryApply(o object) error {
	w.t.Helper()
	text, err := json.Marshal(o)
	if err != nil {
		w.t.Fatal(err)
	}
	_, err = run(w.t.Context(), string(text), "kubectl", "-n", namespace, "apply", "-f", "-")
	return err
}
