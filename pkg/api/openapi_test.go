package api_test

import (
	"bytes"
	"encoding/json"
	"net/http"
	"os"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/getkin/kin-openapi/openapi3"

	"github.com/signstash-proxy/signstash-proxy/pkg/api"
	"github.com/signstash-proxy/signstash-proxy/pkg/xades"
)

// schemas is the API description of the repository.
type schemas struct{ doc *openapi3.T }

var loadOnce = sync.OnceValues(func() (*openapi3.T, error) {
	text, err := os.ReadFile("openapi.yaml")
	if err != nil {
		return nil, err
	}
	return openapi3.NewLoader().LoadFromData(bytes.ReplaceAll(text, []byte("{{base}}"), []byte(api.DefaultBasePath)))
})

func loadSchemas(t *testing.T) *schemas {
	t.Helper()
	doc, err := loadOnce()
	if err != nil {
		t.Fatal(err)
	}
	return &schemas{doc}
}

// operation finds the call of a request in the description.
func (s *schemas) operation(r *http.Request) *openapi3.Operation {
	path := strings.TrimPrefix(r.URL.EscapedPath(), api.DefaultBasePath)
	path = "/" + strings.Trim(regexp.MustCompile("/+").ReplaceAllString(path, "/"), "/")
	patterns := s.doc.Paths.InMatchingOrder()
	slices.SortStableFunc(patterns, func(a, b string) int { // references first: their segment may be empty
		return strings.Count(b, "externalReference") - strings.Count(a, "externalReference")
	})
	for _, p := range patterns {
		expr := regexp.MustCompile(`/\\\{externalReference\\\}`).ReplaceAllString(regexp.QuoteMeta(p), "(/.*)?")
		expr = regexp.MustCompile(`\\\{\w+\\\}`).ReplaceAllString(expr, "[^/]+")
		if regexp.MustCompile("^" + expr + "$").MatchString(path) {
			return s.doc.Paths.Value(p).GetOperation(strings.Replace(r.Method, http.MethodHead, http.MethodGet, 1))
		}
	}
	return nil
}

// check holds the body of an answer against its schema. Answers to calls that do not exist must be
// errors.
func (s *schemas) check(t *testing.T, r *http.Request, status int, body []byte) {
	t.Helper()
	schema := s.doc.Components.Schemas["ErrorResponse"].Value
	if op := s.operation(r); op != nil {
		answer := op.Responses.Status(status)
		if answer == nil {
			t.Errorf("%s %s answered %d, which is not described", r.Method, r.URL.Path, status)
			return
		}
		schema = answer.Value.Content["application/json"].Schema.Value
	}
	var v any
	if err := json.Unmarshal(body, &v); err != nil {
		t.Errorf("the answer is not JSON: %v", err)
		return
	}
	if err := schema.VisitJSON(v); err != nil {
		t.Errorf("%s %s answered %d %.200s, which is not as described: %v", r.Method, r.URL.Path, status, body, err)
	}
}

func TestOpenAPIDocumentIsValid(t *testing.T) {
	if err := loadSchemas(t).doc.Validate(t.Context()); err != nil {
		t.Error(err)
	}
}

// TestOpenAPIDocumentHasNoDefaults checks that no property has a default, because several
// generators then treat the property as required. The description says in words what a missing
// property means.
func TestOpenAPIDocumentHasNoDefaults(t *testing.T) {
	text, err := os.ReadFile("openapi.yaml")
	if err != nil {
		t.Fatal(err)
	}
	if found := regexp.MustCompile(`[{, \t]default:.*`).FindAllString(string(text), -1); found != nil {
		t.Errorf("the description has defaults: %q", found)
	}
	for _, name := range []string{"SignRequest", "SignRequestWithoutContent"} {
		schema := loadSchemas(t).doc.Components.Schemas[name].Value
		if schema.Properties["returnSignedContent"] == nil || slices.Contains(schema.Required, "returnSignedContent") {
			t.Errorf("%s: returnSignedContent is not described, or is required", name)
		}
	}
}

func TestOpenAPIDocumentAndRoutesAgree(t *testing.T) {
	var described []string
	for path, item := range loadSchemas(t).doc.Paths.Map() {
		for method := range item.Operations() {
			described = append(described, method+" "+path)
		}
	}
	served := api.Routes()
	slices.Sort(described)
	slices.Sort(served)
	if !slices.Equal(described, served) {
		t.Errorf("described and served differ:\n%s\nserved:\n%s", strings.Join(described, "\n"), strings.Join(served, "\n"))
	}
}

func TestOpenAPIDocumentListsEveryErrorCode(t *testing.T) {
	text, err := os.ReadFile("openapi.yaml")
	if err != nil {
		t.Fatal(err)
	}
	for _, row := range api.ErrorRows() {
		if !bytes.Contains(text, []byte("| "+row+" |")) {
			t.Errorf("the description's table has no row %s", row)
		}
	}
}

func TestServedDocumentIsFilledIn(t *testing.T) {
	h := newHarness(t, func(h *harness) { h.cfg.BasePath, h.cfg.Version = "/elsewhere/", "1.2.3" })
	resp := h.do(request{path: "/elsewhere/openapi.yaml", auth: "none"})
	if resp.Code != http.StatusOK {
		t.Fatalf("status = %d", resp.Code)
	}
	doc, err := openapi3.NewLoader().LoadFromData([]byte(resp.text))
	if err != nil {
		t.Fatal(err)
	}
	if doc.Servers[0].URL != "/elsewhere" || doc.Info.Version != "1.2.3" {
		t.Errorf("server %q, version %q, want those of the configuration", doc.Servers[0].URL, doc.Info.Version)
	}
}

// TestProfilesAreDescribed checks that the description lists the profiles of XAdES that are part of
// the program.
func TestProfilesAreDescribed(t *testing.T) {
	profile := loadSchemas(t).doc.Components.Schemas["SignatureInfo"].Value.Properties["profile"].Value
	var got []string
	for line := range strings.Lines(profile.Description) {
		names, _, isItem := strings.Cut(line, ": ")
		if names, ok := strings.CutPrefix(names, "- "); ok && isItem {
			for name := range strings.SplitSeq(names, ", ") {
				got = append(got, strings.Trim(name, "`"))
			}
		}
	}
	slices.Sort(got)
	if want := xades.EmbeddedProfiles().Names(); !slices.Equal(got, want) {
		t.Errorf("the description lists the profiles %q, want %q", got, want)
	}
}
