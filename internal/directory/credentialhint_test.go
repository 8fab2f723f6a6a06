package directory_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/entraledger/entraledger/internal/dev/simtenant"
	"github.com/entraledger/entraledger/internal/directory"
	"github.com/entraledger/entraledger/internal/directory/timeline"
)

// An excluded application has lost its last secret. It is excluded by the
// object's id; the application has owners, so that something of it is kept.
func TestAnExcludedObjectThatLostItsLastSecretGetsAHint(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		h := open(t, simtenant.Config{})
		h.tenant.AddObject(simtenant.Applications, []byte(`{"id":"aaaaaaaa-0000-4000-8000-000000000001",
			"appId":"bbbbbbbb-0000-4000-8000-000000000001","displayName":"I","owners":[
			{"@odata.type":"#microsoft.graph.user","id":"human","mail":"human@contoso.example"}],"keyCredentials":[],
			"passwordCredentials":[]}`))
		h.at(0)
		for _, id := range []string{"bbbbbbbb-0000-4000-8000-000000000001", "aaaaaaaa-0000-4000-8000-000000000001"} {
			page, err := h.reader.Credentials(t.Context(), directory.CredentialQuery{UnusedFor: 30 * day,
				Exclude: []string{id}}, 10, false, "")
			require.NoError(t, err)
			require.Contains(t, page.Hint, "exclude leaves out nothing by", id)
		}
	})
}

// The exception is the enterprise application's object id, and the secret lies on the application:
// it leaves out nothing, and nobody says so.
func TestAnExceptionByThePrincipalsObjectIDIsNotSilentlyNothing(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		h := open(t, simtenant.Config{})
		h.tenant.AddObject(simtenant.Applications, h.addOwned())
		h.tenant.AddObject(simtenant.ServicePrincipals, []byte(`{"id":"aaaaaaaa-0000-4000-8000-000000000002","appId":"app-i",
			"displayName":"I","servicePrincipalType":"Application","accountEnabled":true,"owners":[],"keyCredentials":[],
			"passwordCredentials":[]}`))
		h.at(0)
		page, err := h.reader.Credentials(t.Context(), directory.CredentialQuery{UnusedFor: 30 * day,
			Exclude: []string{"aaaaaaaa-0000-4000-8000-000000000002"}}, 10, false, "")
		require.NoError(t, err)
		require.True(t, len(page.Rows) == 0 || page.Hint != "", "%d rows, and no hint", len(page.Rows))
	})
}

// What is asked for by appId alone is on a principal of Microsoft's, and left out.
func TestAnEmptyAnswerAboutMicrosoftsOwnApplicationHasAHint(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		h := open(t, simtenant.Config{})
		h.addMicrosofts(func(_ string, raw []byte) { h.tenant.AddObject(simtenant.ServicePrincipals, raw) }, "first")
		h.at(0)
		ask := func(q directory.CredentialQuery) directory.CredentialPage {
			q.UnusedFor = 30 * day
			page, err := h.reader.Credentials(t.Context(), q, 10, false, "")
			require.NoError(t, err)
			hint, err := h.reader.CredentialHint(t.Context(), q)
			require.NoError(t, err)
			require.Equal(t, page.Hint, hint, "of a file")
			return page
		}
		page := ask(directory.CredentialQuery{AppID: "app-exchange"})
		require.Empty(t, page.Rows)
		require.Contains(t, page.Hint, "ask with microsoft=include")
		page = ask(directory.CredentialQuery{AppID: "app-exchange", Microsoft: timeline.WithMicrosoft})
		require.Len(t, page.Rows, 1)
		require.Empty(t, page.Hint)
		for _, id := range []string{"exchange", "first"} { // the id of the object, and that of the secret
			require.Contains(t, ask(directory.CredentialQuery{AppID: id}).Hint, "appId is the client id", id)
		}
	})
}

// What a Reader remembers of a question about credentials must not answer one about users.
func TestAQuestionAboutCredentialsAnswersNoneAboutUsers(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		h := open(t, small())
		h.take()
		ask := func() error {
			_, err := h.reader.Users(t.Context(), directory.UserQuery{Days: 30, Exclude: []string{"credentials"}}, 9,
				false, "")
			return err
		}
		require.ErrorContains(t, ask(), "no user of the snapshot")
		_, err := h.reader.Credentials(t.Context(), directory.CredentialQuery{UnusedFor: 30 * day, AppID: "x"}, 9,
			false, "")
		require.NoError(t, err)
		require.ErrorContains(t, ask(), "no user of the snapshot")
	})
}
