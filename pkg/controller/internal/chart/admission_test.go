package chart_test

import (
	"errors"
	"strings"
	"testing"

	admissionv1 "k8s.io/api/admissionregistration/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/signstash-proxy/signstash-proxy/pkg/controller/clients"
	"github.com/signstash-proxy/signstash-proxy/pkg/controller/internal/testenv"
)

// hidden is part of every value that no message may show.
const hidden = "geheim"

// policyAPI makes helm template believe that the API server knows the policies.
const policyAPI = "admissionregistration.k8s.io/v1/ValidatingAdmissionPolicy"

// admissionValues configure one provider, named qtsp.
const admissionValues = `
config:
  providers: [{name: qtsp, kind: csc, url: "https://signing.example.org/", clientID: us, clientSecretFile: /x}]`

// policy renders the policy and its binding for a namespace and installs them.
func policy(t *testing.T, c client.Client, namespace string) {
	t.Helper()
	text, err := helm(t, admissionValues, "template", release, folder, "--namespace", namespace,
		"--api-versions", policyAPI, "--values", "-")
	if err != nil {
		t.Fatal(err)
	}
	installed := 0
	for _, o := range decode(t, text) {
		switch o.(type) {
		case *admissionv1.ValidatingAdmissionPolicy, *admissionv1.ValidatingAdmissionPolicyBinding:
			if err := c.Create(t.Context(), o); err != nil {
				t.Fatal(err)
			}
			installed++
			t.Cleanup(func() { _ = c.Delete(t.Context(), o) }) // the server ends soon
		}
	}
	if installed != 2 {
		t.Fatalf("%d objects of the policy were rendered, want 2", installed)
	}
}

type secretCase struct {
	name string
	data map[string]string
	// controllerOnly says why the controller refuses the Secret and the policy does not.
	controllerOnly string
}

func secretOf(id, secret, config string, more ...string) map[string]string {
	d := map[string]string{"clientId": id, "secret": secret}
	if config != "" {
		d["config"] = config
	}
	for i := 0; i < len(more); i += 2 {
		d[more[i]] = more[i+1]
	}
	return d
}

var everything = `{
	"inputFolder": "/in/", "backupFolder": "s3://bucket/b", "outputFolder": "/out/a b", "provider": "qtsp",
	"callbackUrl": "https://erp.example.org/done?x=1",
	"visibleSignatureInfo": {"locationType": "t", "locationValue": "{}[],:\"é", "area": "", "areaBackgroundColor": "",
		"font": "", "templateType": "", "oneOffTemplate": "\u0041", "imageType": "", "imageValue": "aGk="},
	"signatureInfo": {"signatureType": "", "level": "B-T", "reason": "r", "location": "l", "profile": "", "packaging": "",
		"existing": "", "applyTimestamp": true, "advancedSignatureInfo": {"signatureLocation": "/a",
		"signatureTransform": "", "canonicalTransform": ""}}}`

var goodSecrets = []secretCase{
	{name: "minimal", data: secretOf("a", "s", "")},
	{name: "empty options", data: secretOf("a", "s", "", "previousSecret", "", "config", "")},
	{name: "keys of others", data: secretOf("a", "s", "", "_raw", "x", "tls.crt", "x")},
	{name: "rotation", data: secretOf("PRT.505767457-PRT.123654123-84dd8c", "n", "", "previousSecret", "o")},
	{name: "other scripts", data: secretOf("ключ é 鍵 🔑", "пароль é 鍵 🔑", "")},
	{name: "long", data: secretOf(strings.Repeat("i", 255), strings.Repeat("s", 1024), "", "previousSecret",
		strings.Repeat("é", 512))},
	{name: "secret with spaces", data: secretOf("a", " s: ", "")},
	{name: "empty config", data: secretOf("a", "s", " {} ")},
	{name: "everything", data: secretOf("a", "s", everything)},
	{name: "escaped key", data: secretOf("a", "s", `{"\u0070rovider": "qtsp"}`)},
	{name: "escaped folder", data: secretOf("a", "s", `{"inputFolder": "\/in"}`)},
	{name: "folder like one above", data: secretOf("a", "s", `{"inputFolder": "/..in/..a"}`)},
	{name: "provider as a value", data: secretOf("a", "s", `{"signatureInfo": {"reason": "\"provider\": \"x\""}}`)},
	{name: "upper case scheme", data: secretOf("a", "s", `{"callbackUrl": "HTTPS://erp.example.org/a@b"}`)},
	{name: "long config", data: secretOf("a", "s", `{"visibleSignatureInfo": {"locationType": "t", "locationValue": "v",
		"imageValue": "`+strings.Repeat("A", 100_000)+`"}}`)},
}

var brokenSecrets = []secretCase{
	{name: "no data"},
	{name: "no id", data: map[string]string{"secret": hidden}},
	{name: "empty id", data: secretOf("", hidden, "")},
	{name: "id with a colon", data: secretOf(hidden+":", "s", "")},
	{name: "id with a line break", data: secretOf(hidden+"\n", "s", "")},
	{name: "id with a C1 control", data: secretOf(hidden+"\u0085x", "s", "")},
	{name: "id in white space", data: secretOf(hidden+" ", "s", "")},
	{name: "id in wide space", data: secretOf("\u3000"+hidden, "s", "")},
	{name: "id not UTF-8", data: secretOf(hidden+"\xff", "s", "")},
	{name: "id too long", data: secretOf(strings.Repeat("i", 256), "s", "")},
	{name: "no secret", data: map[string]string{"clientId": hidden}},
	{name: "secret with a line break", data: secretOf("a", hidden+"\n", "")},
	{name: "secret with a Windows line break", data: secretOf("a", hidden+"\r\n", "")},
	{name: "secret with a tab", data: secretOf("a", hidden+"\tx", "")},
	{name: "secret not UTF-8", data: secretOf("a", hidden+"\xed\xa0\x80", "")},
	{name: "secret too long", data: secretOf("a", strings.Repeat("s", 1025), "")},
	{name: "previous secret", data: secretOf("a", "s", "", "previousSecret", hidden+"\n")},
	{name: "clientID", data: secretOf("a", "s", "", "clientID", hidden)},
	{name: "client_id", data: map[string]string{"client_id": hidden, "secret": "s"}},
	{name: "previous-secret", data: secretOf("a", "s", "", "previous-secret", hidden)},
	{name: "config not JSON", data: secretOf("a", "s", "{"+hidden)},
	{name: "config cut", data: secretOf("a", "s", `{"provider": "`+hidden)},
	{name: "config with a stray quote", data: secretOf("a", "s", `{"provider: "`+hidden+`": "x"}`)},
	{name: "config is a list", data: secretOf("a", "s", "[]")},
	{name: "config is empty", data: secretOf("a", "s", " ")},
	{name: "config not UTF-8", data: secretOf("a", "s", "{\"provider\": \"\xff\"}")},
	{name: "config with an unknown key", data: secretOf("a", "s", `{"folder": "`+hidden+`"}`)},
	{name: "config of almost 6 KiB", data: secretOf("a", "s", `{"x": "`+strings.Repeat("A", 6100)+`"}`)},
	{name: "config with a secret", data: secretOf("a", "s", `{"secret": "`+hidden+`"}`)},
	{name: "config with a known key at the wrong place", data: secretOf("a", "s", `{"level": "`+hidden+`"}`)},
	{name: "config with a number", data: secretOf("a", "s", `{"provider": 7}`)},
	{name: "config with null", data: secretOf("a", "s", `{"provider": null}`)},
	{name: "config with a comma too many", data: secretOf("a", "s", `{"inputFolder": "/`+hidden+`",}`)},
	{name: "config twice", data: secretOf("a", "s", `{} {}`)},
	{name: "config with a key twice", data: secretOf("a", "s", `{"provider": "qtsp", "provider": "qtsp"}`)},
	{name: "folder above", data: secretOf("a", "s", `{"outputFolder": "/out/../../`+hidden+`"}`)},
	{name: "relative folder", data: secretOf("a", "s", `{"inputFolder": "`+hidden+`"}`)},
	{name: "work folder", data: secretOf("a", "s", `{"backupFolder": "/./"}`)},
	{name: "callback scheme", data: secretOf("a", "s", `{"callbackUrl": "ftp://`+hidden+`"}`)},
	{name: "callback with a password", data: secretOf("a", "s", `{"callbackUrl": "https://u:`+hidden+`@example.org"}`)},
	{name: "callback with a fragment", data: secretOf("a", "s", `{"callbackUrl": "https://example.org/#`+hidden+`"}`)},
	{name: "visible without a value",
		data: secretOf("a", "s", `{"visibleSignatureInfo": {"locationType": "`+hidden+`"}}`)},
	{name: "unknown provider", data: secretOf("a", "s", `{"provider": "`+hidden+`"}`)},
	{name: "callback without a host", data: secretOf("a", "s", `{"callbackUrl": "https://"}`),
		controllerOnly: "CEL does not read URLs here"},
	{name: "nested key twice", data: secretOf("a", "s", `{"signatureInfo": {"level": "x", "level": "y"}}`),
		controllerOnly: "only the first level is counted"},
	{name: "long config with an unknown key", data: secretOf("a", "s", `{"x": "`+strings.Repeat("A", 100_000)+`"}`),
		controllerOnly: "a long config is not decoded"},
}

// TestAdmissionPolicy runs the policy of the chart, in a real API server, and the controller's own
// rules over the same Secrets.
func TestAdmissionPolicy(t *testing.T) {
	c, namespace := server.Client(t), server.Namespace(t)
	create := func(kind corev1.SecretType, s secretCase) error {
		data := map[string][]byte{}
		for k, v := range s.data {
			data[k] = []byte(v)
		}
		return c.Create(t.Context(), &corev1.Secret{
			ObjectMeta: metav1.ObjectMeta{Namespace: namespace, GenerateName: "client-"}, Type: kind, Data: data,
		}, client.DryRunAll)
	}
	old := &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: "old"}, Type: clients.SecretType}
	if err := c.Create(t.Context(), old); err != nil {
		t.Fatal(err)
	}
	policy(t, c, namespace)
	testenv.Eventually(t, func() error { // the API server notices a policy a moment later
		if create(clients.SecretType, brokenSecrets[0]) == nil {
			return errors.New("the policy is not in force")
		}
		return nil
	})
	for _, s := range goodSecrets {
		if err := errors.Join(create(clients.SecretType, s), faultOf(s)); err != nil {
			t.Errorf("%s: %v, want it accepted by both", s.name, err)
		}
	}
	for _, s := range brokenSecrets {
		err, fault := create(clients.SecretType, s), faultOf(s)
		switch {
		case fault == nil:
			t.Errorf("%s: the controller accepts it", s.name)
		case s.controllerOnly != "" && err != nil:
			t.Errorf("%s: the policy refuses it although %s: %v", s.name, s.controllerOnly, err)
		case s.controllerOnly != "":
		case err == nil:
			t.Errorf("%s: the policy accepts it, the controller says %v", s.name, fault)
		case strings.Contains(err.Error(), hidden):
			t.Errorf("%s: the message shows a value: %v", s.name, err)
		default:
			key, _, _ := strings.Cut(fault.Error(), ":")
			first, _, _ := strings.Cut(key, ".")
			if _, text, _ := strings.Cut(err.Error(), "denied request: "); !strings.HasPrefix(text, first) {
				t.Errorf("%s: the policy says %v, the controller names %s", s.name, err, key)
			}
			t.Logf("%s: %v", s.name, err)
		}
		if err := create(corev1.SecretTypeOpaque, s); err != nil {
			t.Errorf("%s: of another type: %v", s.name, err)
		}
	}
	old.Labels = map[string]string{"a": "b"}
	if err := c.Update(t.Context(), old); err != nil {
		t.Errorf("a label of a Secret that was broken before: %v", err)
	}
}

func faultOf(s secretCase) error {
	data := map[string][]byte{}
	for k, v := range s.data {
		data[k] = []byte(v)
	}
	if fault := clients.Check(data, []string{"qtsp"}); fault != "" {
		return errors.New(fault)
	}
	return nil
}

// TestPolicyOff checks that the policy is rendered only if the API server knows it and the user
// wants it.
func TestPolicyOff(t *testing.T) {
	for _, args := range [][]string{{}, {"--api-versions", policyAPI, "--set", "admissionPolicy.enabled=false"}} {
		text, err := helm(t, "", append([]string{"template", release, folder, "--set", "trial.enabled=true"}, args...)...)
		if err != nil || strings.Contains(text, "ValidatingAdmissionPolicy") {
			t.Errorf("with %v the policy is rendered (%v)", args, err)
		}
	}
}
