package chart

import (
	"strings"
	"testing"
)

// TestEdit replaces values and keeps all else.
func TestEdit(t *testing.T) {
	const text = `# A comment.
image:
  # -- Image.
  repository: signstash-proxy # the name
  digest: ""
trial:
  image: {repository: a, tag: b}
annotations:
  example.org/images: ''
`
	const want = `# A comment.
image:
  # -- Image.
  repository: "registry.example.org/a" # the name
  digest: "sha256:1"
trial:
  image: {repository: a, tag: b}
annotations:
  example.org/images: "- a: \"b\"\n"
`
	got, err := edit([]byte(text), map[string]string{
		"image.repository": "registry.example.org/a", "image.digest": "sha256:1",
		"annotations.example.org/images": "- a: \"b\"\n",
	})
	if err != nil || string(got) != want {
		t.Errorf("edit: %v\n%s", err, got)
	}
	for _, path := range []string{"image.tag", "image", "trial.image.repository"} {
		if _, err := edit([]byte(text), map[string]string{path: "x"}); err == nil {
			t.Errorf("edit of %s is accepted", path)
		}
	}
	if _, err := edit([]byte("a: b\n\tc"), nil); err == nil || !strings.Contains(err.Error(), "yaml") {
		t.Errorf("edit of broken YAML: %v", err)
	}
}
