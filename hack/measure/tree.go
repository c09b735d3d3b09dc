package main

import (
	"bytes"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"maps"
	"os"
	pathpkg "path"
	"path/filepath"
	"slices"
	"strings"
)

const (
	module = "github.com/signstash-proxy/signstash-proxy/"
	// manyMethods is the number of methods above which the table names a type.
	manyMethods = 12
)

// tree holds what is counted in a checkout.
type tree struct {
	functions, files       []int // lines; without tests
	testFiles              []int
	methods                map[string]int      // by package and type, of types that are structs; without tests
	imports                map[string][]string // packages of this module, by importing package; without tests
	longCode, longComments int
	readme                 int // bytes
}

// folders lists the folders with Go sources.
var folders = []string{"cmd", "pkg", "hack"}

func read(dir string) (*tree, error) {
	t := &tree{methods: map[string]int{}, imports: map[string][]string{}}
	structs := map[string]bool{}
	err := goFiles(dir, func(path, name string) error { return t.file(path, pathpkg.Dir(name), structs) })
	if err != nil {
		return nil, err
	}
	maps.DeleteFunc(t.methods, func(name string, _ int) bool { return !structs[name] })
	info, err := os.Stat(filepath.Join(dir, "README.md"))
	if err != nil {
		return nil, err
	}
	t.readme = int(info.Size())
	return t, nil
}

// goFiles calls visit for each Go file of the sources outside testdata: with its path, and with its
// name below dir, which has slashes.
func goFiles(dir string, visit func(path, name string) error) error {
	for _, folder := range folders {
		err := filepath.WalkDir(filepath.Join(dir, folder), func(path string, e fs.DirEntry, err error) error {
			switch {
			case err != nil:
				return err
			case e.IsDir() && e.Name() == "testdata":
				return filepath.SkipDir
			case e.IsDir() || filepath.Ext(path) != ".go":
				return nil
			}
			name, err := filepath.Rel(dir, path)
			if err != nil {
				return err
			}
			return visit(path, filepath.ToSlash(name))
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// file counts one file of a package.
func (t *tree) file(path, pkg string, structs map[string]bool) error {
	text, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	lines := t.columns(text)
	if strings.HasSuffix(path, "_test.go") {
		t.testFiles = append(t.testFiles, lines)
		return nil
	}
	t.files = append(t.files, lines)
	set := token.NewFileSet()
	parsed, err := parser.ParseFile(set, path, text, parser.SkipObjectResolution)
	if err != nil {
		return err
	}
	for _, i := range parsed.Imports {
		to, ours := strings.CutPrefix(strings.Trim(i.Path.Value, `"`), module)
		if ours && !slices.Contains(t.imports[pkg], to) {
			t.imports[pkg] = append(t.imports[pkg], to)
		}
	}
	for _, d := range parsed.Decls {
		switch d := d.(type) {
		case *ast.FuncDecl:
			t.functions = append(t.functions, set.Position(d.End()).Line-set.Position(d.Pos()).Line+1)
			if d.Recv != nil {
				t.methods[pkg+"."+receiver(d.Recv.List[0].Type)]++
			}
		case *ast.GenDecl:
			for _, s := range d.Specs {
				if s, ok := s.(*ast.TypeSpec); ok {
					_, structs[pkg+"."+s.Name.Name] = s.Type.(*ast.StructType)
				}
			}
		}
	}
	return nil
}

// columns counts the lines of a file, and those that are too long.
func (t *tree) columns(text []byte) (lines int) {
	for _, l := range longLines(text) {
		if l.comment {
			t.longComments++
		} else {
			t.longCode++
		}
	}
	return bytes.Count(text, []byte("\n"))
}

// receiver returns the name of the type of a method's receiver.
func receiver(e ast.Expr) string {
	switch e := e.(type) {
	case *ast.StarExpr:
		return receiver(e.X)
	case *ast.IndexExpr:
		return receiver(e.X)
	case *ast.IndexListExpr:
		return receiver(e.X)
	case *ast.Ident:
		return e.Name
	}
	return "?"
}
