package main

import (
	"encoding/json"
	"errors"
	"io"
	"os/exec"
	"slices"
	"strings"
	"testing"
)

// Who may import whom: docs/adr/README.md lists the decisions behind it.
var mayImport = map[string][]string{
	"newsletter": {},
	"templates":  {},
	"db":         {"newsletter"},
	"mailer":     {"newsletter", "templates"},
	"handlers":   {"newsletter", "templates"},
	"outbound":   {"newsletter"},
}

// Only one room knows each of these.
var ownedBy = map[string]string{
	"github.com/labstack/echo/": "handlers", "github.com/wneessen/go-mail": "mailer", "github.com/emersion/go-smtp": "mailer", "github.com/emersion/go-imap": "mailer", "code.dny.dev/ssrf": "outbound",
	"database/sql": "db", "github.com/mattn/go-sqlite3": "db", "github.com/jackc/pgx/": "db", "github.com/pressly/goose/": "db",
}

func TestImportRules(t *testing.T) {
	t.Parallel()
	out, err := exec.Command("go", "list", "-json=ImportPath,Imports", "techissue/...").Output()
	if err != nil {
		t.Fatal(err)
	}
	dec := json.NewDecoder(strings.NewReader(string(out)))
	seen := 0
	for {
		var p struct {
			ImportPath string
			Imports    []string
		}
		if err := dec.Decode(&p); errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			t.Fatal(err)
		}
		seen++
		room := strings.Split(strings.TrimPrefix(p.ImportPath, "techissue/"), "/")[0]
		if room == "cmd" {
			continue
		}
		allowed, known := mayImport[room]
		if !known {
			t.Errorf("%s is a new room: it needs an ADR and a rule here", p.ImportPath)
		}
		for _, imp := range p.Imports {
			if rest, ours := strings.CutPrefix(imp, "techissue/"); ours {
				if other := strings.Split(rest, "/")[0]; other != room && !slices.Contains(allowed, other) && !strings.HasSuffix(p.ImportPath, "test") {
					t.Errorf("%s imports %s", p.ImportPath, imp)
				}
				continue
			}
			for lib, owner := range ownedBy {
				if (imp == lib || strings.HasPrefix(imp, lib)) && room != owner {
					t.Errorf("%s imports %s, which belongs to %s", p.ImportPath, imp, owner)
				}
			}
			if room == "newsletter" && strings.Contains(strings.Split(imp, "/")[0], ".") && !strings.HasPrefix(imp, "golang.org/x/text") && imp != "golang.org/x/net/idna" {
				t.Errorf("%s imports %s: the domain has the standard library, x/text and idna", p.ImportPath, imp)
			}
		}
	}
	if seen < 8 {
		t.Errorf("looked at %d packages only", seen)
	}
}
