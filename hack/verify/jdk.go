package verify

import (
	"bufio"
	_ "embed"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// jdkSource is a program for the JDK, which compiles it when it starts.
//
//go:embed Jdk.java
var jdkSource []byte

// jdk is a running JDK that validates XML signatures. It is started once, because a start takes
// longer than many validations.
type jdk struct {
	cmd    *exec.Cmd
	folder string // with the program
	in     io.WriteCloser
	out    *bufio.Reader
}

func startJDK() (*jdk, error) {
	folder, err := os.MkdirTemp("", "verify-jdk-")
	if err != nil {
		return nil, fmt.Errorf("make folder for the JDK: %w", err)
	}
	program := filepath.Join(folder, "Jdk.java")
	j := &jdk{folder: folder, cmd: exec.Command("java", program)}
	if err := j.start(program); err != nil {
		_ = os.RemoveAll(folder)
		return nil, fmt.Errorf("start JDK: %w", err)
	}
	return j, nil
}

func (j *jdk) start(program string) error {
	if err := os.WriteFile(program, jdkSource, 0o600); err != nil {
		return err
	}
	in, err := j.cmd.StdinPipe()
	if err != nil {
		return err
	}
	out, err := j.cmd.StdoutPipe()
	if err != nil {
		return err
	}
	j.in, j.out = in, bufio.NewReader(out)
	return j.cmd.Start()
}

// validate returns what is wrong with the last signature of an XML file, or an empty string.
func (j *jdk) validate(path string) string {
	abs, err := filepath.Abs(path)
	if err != nil {
		return err.Error()
	}
	if _, err := fmt.Fprintln(j.in, abs); err != nil {
		return err.Error()
	}
	answer, err := j.out.ReadString('\n')
	if err != nil {
		return err.Error()
	}
	if answer = strings.TrimSpace(answer); answer == "ok" {
		return ""
	}
	return answer
}

func (j *jdk) stop() {
	_ = j.in.Close()
	_ = j.cmd.Wait()
	_ = os.RemoveAll(j.folder)
}
