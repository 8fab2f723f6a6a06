package ui

import (
	"io"
	"io/fs"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/stretchr/testify/require"

	"github.com/entraledger/entraledger/internal/web"
)

// built1 is a page as the build lays it out.
func built1() fstest.MapFS {
	text := func(body string) *fstest.MapFile { return &fstest.MapFile{Data: []byte(body)} }
	return fstest.MapFS{
		"dist/.keep": text(""), "dist/.sources": text("abc"),
		"dist/index.html": text("<p>page"), "dist/index.html.br": text("br page"),
		"dist/index.html.gz":        text("gz page"),
		"dist/assets/index-Ab12.js": text("run()"), "dist/assets/index-Ab12.js.br": text("br run"),
		"dist/assets/index-Ab12.js.map": text("{}"), "dist/icon.svg": text("<svg/>"),
	}
}

func ask(t *testing.T, from fs.FS, method, path string, header ...string) *http.Response {
	files, err := read(from, "dist")
	require.NoError(t, err)
	host, err := web.Serve(slog.New(slog.DiscardHandler), "", serving(files, nil))
	require.NoError(t, err)
	server := httptest.NewServer(host)
	defer server.Close()
	req, err := http.NewRequestWithContext(t.Context(), method, server.URL+path, nil)
	require.NoError(t, err)
	req.Header.Set("Accept-Encoding", "identity")
	for i := 0; i < len(header); i += 2 {
		req.Header.Set(header[i], header[i+1])
	}
	resp, err := (&http.Transport{DisableCompression: true}).RoundTrip(req)
	require.NoError(t, err)
	t.Cleanup(func() { resp.Body.Close() })
	return resp
}

func body(t *testing.T, r *http.Response) string {
	text, err := io.ReadAll(r.Body)
	require.NoError(t, err)
	return string(text)
}

func TestThePageIsServedAtItsAddressAndBelow(t *testing.T) {
	for path, want := range map[string]string{
		"/api/ui": "<p>page", "/api/ui/": "<p>page", "/API/ui": "<p>page", "/api/ui?code=key": "<p>page",
		"/api/ui/assets/index-Ab12.js": "run()", "/api/ui/icon.svg": "<svg/>",
	} {
		resp := ask(t, built1(), "GET", path)
		require.Equal(t, http.StatusOK, resp.StatusCode, path)
		require.Equal(t, want, body(t, resp), path)
		h := resp.Header
		policy := h.Get("Content-Security-Policy")
		require.Contains(t, policy, "default-src 'none'", path)
		require.Contains(t, policy, "require-trusted-types-for 'script'; trusted-types 'none'", path)
		require.Contains(t, policy, "frame-ancestors 'none'", path)
		require.Equal(t, "same-origin", h.Get("Referrer-Policy"), path)
		require.Equal(t, "nosniff", h.Get("X-Content-Type-Options"), path)
		require.NotEmpty(t, h.Get("ETag"), path)
		immutable := strings.Contains(path, "/assets/")
		require.Equal(t, immutable, strings.Contains(h.Get("Cache-Control"), "immutable"), path)
		require.Equal(t, !immutable, h.Get("Cache-Control") == "no-cache", path)
	}
}

func TestWhatIsNoFileOfThePageIsNotFound(t *testing.T) {
	for _, path := range []string{"/api/ui/nothing", "/api/ui/index.html", "/api/ui/.keep", "/api/ui/.sources",
		"/api/ui/assets", "/api/ui/assets/index-Ab12.js.br", "/api/ui/assets/index-Ab12.js.map",
		"/api/ui/../ui.go", "/api/ui/%2e%2e/ui.go", "/api/ui/assets%2Findex-Ab12.css"} {
		resp := ask(t, built1(), "GET", path)
		require.Equal(t, http.StatusNotFound, resp.StatusCode, path)
		require.Contains(t, body(t, resp), `"notFound"`, path)
		require.Contains(t, resp.Header.Get("Content-Security-Policy"), "default-src 'none'", path)
		require.Equal(t, "nosniff", resp.Header.Get("X-Content-Type-Options"), path)
	}
	resp := ask(t, built1(), "POST", "/api/ui")
	require.Equal(t, http.StatusMethodNotAllowed, resp.StatusCode)
	require.Contains(t, resp.Header.Get("Content-Security-Policy"), "default-src 'none'")
}

func TestAFileComesInTheSmallestFormThatIsAccepted(t *testing.T) {
	for accept, want := range map[string]string{
		"": "<p>page", "identity": "<p>page", "gzip": "gz page",
		"gzip, deflate, br, zstd": "br page", "br;q=0, gzip": "gz page",
		"BR": "br page", "*": "br page", "*;q=0": "<p>page", "*, br;q=0": "gz page", "br;q=x": "<p>page",
		"brotli": "<p>page",
	} {
		resp := ask(t, built1(), "GET", "/api/ui", "Accept-Encoding", accept)
		require.Equal(t, want, body(t, resp), accept)
		require.Equal(t, strings.Fields(want)[0] != "<p>page", resp.Header.Get("Content-Encoding") != "", accept)
		require.Equal(t, "Accept-Encoding", resp.Header.Get("Vary"), accept)
		require.EqualValues(t, len(want), resp.ContentLength, accept)
	}
}

func TestWhoHasAFileIsNotSentItAgain(t *testing.T) {
	first := ask(t, built1(), "GET", "/api/ui", "Accept-Encoding", "br")
	tag := first.Header.Get("ETag")
	for _, value := range []string{tag, "W/" + tag, `"x", ` + tag, "*"} {
		resp := ask(t, built1(), "GET", "/api/ui", "Accept-Encoding", "br", "If-None-Match", value)
		require.Equal(t, http.StatusNotModified, resp.StatusCode, value)
		require.Empty(t, body(t, resp), value)
		require.Equal(t, tag, resp.Header.Get("ETag"), value)
	}
	require.Equal(t, http.StatusOK, ask(t, built1(), "GET", "/api/ui", "If-None-Match", tag).StatusCode,
		"another encoding is another file")
	changed := built1()
	changed["dist/index.html"] = &fstest.MapFile{Data: []byte("<p>other")}
	newer := ask(t, changed, "GET", "/api/ui", "Accept-Encoding", "br", "If-None-Match", tag)
	require.Equal(t, http.StatusOK, newer.StatusCode)
}

func TestHeadIsAnsweredWithoutABody(t *testing.T) {
	resp := ask(t, built1(), "HEAD", "/api/ui")
	require.Equal(t, http.StatusOK, resp.StatusCode)
	require.EqualValues(t, len("<p>page"), resp.ContentLength)
	require.Empty(t, body(t, resp))
}

func TestAProgramWithoutThePageSaysHowToBuildIt(t *testing.T) {
	resp := ask(t, fstest.MapFS{"dist/.keep": {}}, "GET", "/api/ui")
	require.Equal(t, http.StatusServiceUnavailable, resp.StatusCode)
	require.Contains(t, body(t, resp), "make ui")
	require.Contains(t, resp.Header.Get("Content-Security-Policy"), "default-src 'none'")
}

// TestTheEmbeddedFolderIsReadable: whether or not make ui was run before.
func TestTheEmbeddedFolderIsReadable(t *testing.T) {
	files, err := read(built, "dist")
	require.NoError(t, err)
	for name, f := range files {
		require.NotEmpty(t, f.plain, name)
		if strings.HasSuffix(name, ".js") || strings.HasSuffix(name, ".css") {
			require.Less(t, len(f.br), len(f.plain), "%s is compressed", name)
			require.Less(t, len(f.gz), len(f.plain), "%s is compressed", name)
		}
	}
}
