package main

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// checkout is a folder with all files of one commit, or the folder that somebody works in.
type checkout struct{ name, dir string }

// checkOut checks a commit of the repository in dir out into a temporary folder. remove deletes it.
func checkOut(ctx context.Context, dir, commit string) (c checkout, remove func(), err error) {
	temporary, err := os.MkdirTemp("", "measure-")
	if err != nil {
		return checkout{}, nil, err
	}
	path := filepath.Join(temporary, "base")
	remove = func() {
		// The context may have ended, and the folder must be removed even then.
		_, _ = output(exec.Command("git", "-C", dir, "worktree", "remove", "--force", path))
		_ = os.RemoveAll(temporary)
	}
	_, err = output(exec.CommandContext(ctx, "git", "-C", dir, "worktree", "add", "--quiet", "--detach", path, commit))
	if err != nil {
		remove()
		return checkout{}, nil, err
	}
	return checkout{commit, path}, remove, nil
}

// output runs a command and returns what it prints, without the last line break. The error contains
// what the command printed as an error.
func output(c *exec.Cmd) (string, error) {
	var stdout, stderr bytes.Buffer
	c.Stdout, c.Stderr = &stdout, &stderr
	if err := c.Run(); err != nil {
		return "", fmt.Errorf("%s: %w: %s", strings.Join(c.Args, " "), err, bytes.TrimSpace(stderr.Bytes()))
	}
	return strings.TrimSpace(stdout.String()), nil
}
