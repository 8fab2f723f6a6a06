package skiptoken_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/entraledger/entraledger/internal/entra"
	"github.com/entraledger/entraledger/internal/skiptoken"
)

type place struct {
	Row  int    `json:"r"`
	Name string `json:"n"`
}

func TestAWalkGoesOnWhereItsTokenSays(t *testing.T) {
	walk := skiptoken.Walk{Secret: []byte("secret"), Question: "which devices"}
	token := walk.Seal(place{7, "laptop"})
	require.Regexp(t, `^[A-Za-z0-9_-]+$`, token, "it needs no escapes in an address")
	var at place
	require.NoError(t, walk.Read(token, &at))
	require.Equal(t, place{7, "laptop"}, at)
	require.Equal(t, token, walk.Seal(place{7, "laptop"}))
}

func TestATokenThatWasChangedIsRefused(t *testing.T) {
	walk := skiptoken.Walk{Secret: []byte("secret"), Question: "which devices"}
	token := walk.Seal(place{7, "laptop"})
	refused := func(w skiptoken.Walk, token string) {
		t.Helper()
		err := w.Read(token, new(place))
		require.Equal(t, entra.CodeBadRequest, entra.CodeOf(err), "%s: %v", token, err)
		require.ErrorContains(t, err, "begin again without $skiptoken")
	}
	for i := range token {
		for _, letter := range "AQgw_" {
			changed := token[:i] + string(letter) + token[i+1:]
			if at := new(place); changed != token && walk.Read(changed, at) == nil {
				require.Equal(t, place{7, "laptop"}, *at, "the last letter has bits that mean nothing")
				require.Equal(t, len(token)-1, i)
				continue
			}
			if changed != token {
				refused(walk, changed)
			}
		}
		refused(walk, token[:i])
	}
	refused(walk, token+"AAAA")
	refused(walk, "x")
	refused(skiptoken.Walk{Secret: []byte("another"), Question: walk.Question}, token)
	refused(skiptoken.Walk{Secret: walk.Secret, Question: "which users"}, token)
}
