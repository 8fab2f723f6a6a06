// Package ui is the HTTP function that serves the app's page: files that are part of the program,
// without a single datum. What the page shows it asks of the other functions, with the key that its
// reader gives it.
package ui

import (
	"context"
	"embed"
	"net/http"
	"strings"

	"github.com/entraledger/entraledger/internal/entra"
	"github.com/entraledger/entraledger/internal/web"
)

//go:embed function.json
var trigger []byte

// built is what make ui makes of ui/. Where it was not made, there is only the file that keeps the
// folder.
//
//go:embed all:dist
var built embed.FS

// absent is the page of a program that was built without make ui.
//
//go:embed absent.html
var absent []byte

// policy lets the page do nothing but run its own script, with its own style, and ask this app: no
// other host, no code from text, no frame around it.
const policy = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; " +
	"base-uri 'none'; form-action 'none'; frame-ancestors 'none'; " +
	"require-trusted-types-for 'script'; trusted-types 'none'"

// New makes the function.
func New() web.Function {
	files, err := read(built, "dist")
	return serving(files, err)
}

// serving is the function over some files; err says why they can't be read.
func serving(files map[string]*file, err error) web.Function {
	do := func(_ context.Context, r web.Request) (web.Answer, error) {
		if err != nil {
			return web.Answer{}, err
		}
		name := strings.Trim(r.Path("path"), "/")
		if name == "" {
			return page(files), nil
		}
		found := files[name]
		if found == nil || name == index {
			return web.Answer{}, &entra.Error{Code: entra.CodeNotFound, Doing: "find a file of the page",
				Why: "there is no such file", Remedy: "open /api/ui, and load the page again where it was open"}
		}
		return found.answer(), nil
	}
	return web.Function{Name: "ui", Trigger: trigger, Public: true, Operations: []web.Operation{{
		Summary: "The page, to look at", Text: "The files of the app's page. They hold no data.",
		Path: []web.Parameter{web.Text("path", "A file of the page; none: the page")}, Do: do,
	}}}
}

// page answers with the page itself.
func page(files map[string]*file) web.Answer {
	if found := files[index]; found != nil {
		return found.answer()
	}
	return web.Stream(func(w http.ResponseWriter, _ *http.Request) error {
		protect(w.Header())
		w.Header().Set("Cache-Control", "no-store")
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		w.WriteHeader(http.StatusServiceUnavailable)
		_, err := w.Write(absent)
		return err
	})
}

// protect sets what every file is sent with.
func protect(h http.Header) {
	h.Set("Content-Security-Policy", policy)
	h.Set("Cross-Origin-Opener-Policy", "same-origin")
	h.Set("Cross-Origin-Resource-Policy", "same-origin")
	h.Set("Referrer-Policy", "same-origin")
	h.Set("X-Content-Type-Options", "nosniff")
}
