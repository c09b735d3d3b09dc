package image

import (
	"encoding/json"
	"fmt"
	"strings"

	v1 "github.com/google/go-containerregistry/pkg/v1"
)

// ParseDockerfile returns the configuration that a Dockerfile gives its image, so that `make image`
// and `make release` make the same image. It knows only the instructions that the Dockerfiles of
// this project use, one a line, and refuses all others. FROM must be scratch. COPY is ignored.
func ParseDockerfile(text string) (v1.Config, error) {
	config := v1.Config{Labels: map[string]string{}}
	for line := range strings.Lines(text) {
		line = strings.TrimSpace(line)
		if line == "" || strings.HasPrefix(line, "#") {
			continue
		}
		if strings.HasSuffix(line, "\\") {
			return v1.Config{}, fmt.Errorf("%s: want an instruction on one line", line)
		}
		word, rest, _ := strings.Cut(line, " ")
		if err := instruction(&config, word, strings.TrimSpace(rest)); err != nil {
			return v1.Config{}, fmt.Errorf("%s: %w", line, err)
		}
	}
	return config, nil
}

func instruction(config *v1.Config, word, rest string) error {
	switch word {
	case "FROM":
		if rest != "scratch" {
			return fmt.Errorf("want scratch, because nothing is pulled")
		}
	case "COPY":
	case "ENV":
		config.Env = append(config.Env, strings.Fields(rest)...)
	case "LABEL":
		name, value, ok := strings.Cut(rest, "=")
		if !ok {
			return fmt.Errorf("want NAME=VALUE")
		}
		config.Labels[name] = strings.Trim(value, `"`)
	case "VOLUME":
		config.Volumes = addAll(config.Volumes, strings.Fields(rest))
	case "EXPOSE":
		ports := strings.Fields(rest)
		for i := range ports {
			ports[i] += "/tcp"
		}
		config.ExposedPorts = addAll(config.ExposedPorts, ports)
	case "USER":
		config.User = rest
	case "ENTRYPOINT":
		return json.Unmarshal([]byte(rest), &config.Entrypoint)
	default:
		return fmt.Errorf("unknown instruction")
	}
	return nil
}

func addAll(set map[string]struct{}, names []string) map[string]struct{} {
	if set == nil {
		set = map[string]struct{}{}
	}
	for _, name := range names {
		set[name] = struct{}{}
	}
	return set
}
