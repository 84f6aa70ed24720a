using Npgsql;
using OrleansAiOs.Kernel.Identity;
using OrleansAiOs.Kernel.Streams;
using OrleansAiOs.Kernel.Tests.Streams;
using OrleansAiOs.Postgres;
using OrleansAiOs.Postgres.Schema;
using OrleansAiOs.Tests.Shared;
using OrleansAiOs.Workflows;

namespace OrleansAiOs.Kernel.Tests.Identity;

public sealed class KeyTests(KernelDatabase database) : IClassFixture<KernelDatabase>
{
    private readonly string tenant = $"t-{Guid.NewGuid():N}";
    private readonly ManualTime time = new();
    private readonly EventStreams streams = new(database.Source);

    private Keys NewKeys(TimeProvider? clock = null) => new(streams, database.Source, clock ?? time);

    private Task There(string id = "user/ana") => new Principals(streams).AddAsync(tenant, id, ["operator"], "user/root");

    private Task<Principal?> Ana() => new Principals(streams).FindAsync(tenant, "user/ana");

    [Fact]
    public async Task A_key_is_its_principals_and_only_the_beginning_of_its_hash_is_told()
    {
        await There();
        var key = await NewKeys().IssueAsync(tenant, "user/ana", "laptop", null, "user/root");
        key.Should().MatchRegex("^aios_[A-Za-z0-9_-]{43}$", "256 bits");
        var holder = await NewKeys().FindAsync(key);
        holder.Should().Match<Credential>(c => c.Tenant == tenant && c.Principal == "user/ana" && c.Name == "laptop");
        (await Ana())!.Holds(holder!.Hash).Should().BeTrue();
        var stored = string.Join('\n', (await streams.ReadAsync(tenant, "principal/user/ana")).Select(e => EventTable.Write(e.Event, e.By).Body));
        stored.Should().Contain(holder.Hash).And.NotContain(key[5..]);
        holder.Hash.Should().HaveLength(16, "a quarter of it finds no key");
        (await NewKeys().FindAsync(key[..^1] + (key[^1] == 'A' ? 'B' : 'A'))).Should().BeNull();
    }

    [Fact]
    public async Task Revoked_on_one_host_is_refused_on_every_other_within_a_second()
    {
        await There();
        var (here, there) = (NewKeys(), NewKeys());
        var key = await here.IssueAsync(tenant, "user/ana", "a", null, "user/root");
        (await there.FindAsync(key)).Should().NotBeNull();
        (await here.RevokeAsync(tenant, "a", "user/root")).Should().BeTrue();
        (await here.FindAsync(key)).Should().BeNull("at once where it was done");
        time.Advance(TimeSpan.FromSeconds(1));
        (await there.FindAsync(key)).Should().BeNull();
        (await here.RevokeAsync(tenant, "a", "user/root")).Should().BeFalse();
        (await Ana())!.Keys.Should().BeEmpty();
    }

    [Fact]
    public async Task A_key_ends_when_it_was_to_and_its_name_is_free_again()
    {
        await There();
        time.Advance(TimeProvider.System.GetUtcNow() - time.GetUtcNow()); // the database has a clock of its own, which must agree at the beginning
        var keys = NewKeys();
        var key = await keys.IssueAsync(tenant, "user/ana", "short", time.GetUtcNow() + TimeSpan.FromHours(1), "user/root");
        (await keys.FindAsync(key)).Should().NotBeNull();
        var taken = () => keys.IssueAsync(tenant, "user/ana", "short", null, "user/root");
        await taken.Should().ThrowAsync<CommandRefusedException>().WithMessage("*'short'*already*");
        var past = () => keys.IssueAsync(tenant, "user/ana", "past", time.GetUtcNow(), "user/root");
        await past.Should().ThrowAsync<CommandRefusedException>();

        await Execute($"update aios.api_keys set expires_at = now() where tenant_id = '{tenant}'");
        (await NewKeys().FindAsync(key)).Should().BeNull("the database says so");
        (await keys.IssueAsync(tenant, "user/ana", "short", time.GetUtcNow() + TimeSpan.FromHours(1), "user/root")).Should().NotBe(key);
        time.Advance(TimeSpan.FromHours(1));
        (await keys.FindAsync(key)).Should().BeNull("the host says so, whatever the database's clock is");
    }

    [Fact]
    public async Task The_same_command_again_shows_no_key_twice_and_revokes_none_twice()
    {
        await There();
        var keys = NewKeys();
        await keys.IssueAsync(tenant, "user/ana", "a", null, "user/root", "command-1");
        var again = () => keys.IssueAsync(tenant, "user/ana", "a", null, "user/root", "command-1");
        (await again.Should().ThrowAsync<CommandRefusedException>().WithMessage("*cannot be shown again*")).Which.Refusal.Should().Be(Refusal.Conflict);
        (await keys.RevokeAsync(tenant, "a", "user/root", "command-2")).Should().BeTrue();
        (await keys.RevokeAsync(tenant, "a", "user/root", "command-2")).Should().BeTrue("it was carried out");
        (await keys.RevokeAsync(tenant, "a", "user/root", "command-3")).Should().BeFalse();
        (await streams.ReadAsync(tenant, "principal/user/ana")).Should().HaveCount(3);
    }

    [Fact]
    public async Task Of_ten_that_make_a_key_of_one_name_at_once_one_does()
    {
        await There();
        await There("user/ben");
        var made = await Task.WhenAll(Enumerable.Range(0, 10).Select(async i =>
        {
            try
            {
                return await NewKeys().IssueAsync(tenant, i % 2 == 0 ? "user/ana" : "user/ben", "one", null, "user/root");
            }
            catch (CommandRefusedException)
            {
                return null;
            }
        }));
        var key = made.OfType<string>().Should().ContainSingle().Subject;
        var holder = (await NewKeys().FindAsync(key))!.Principal;
        foreach (var id in new[] { "user/ana", "user/ben" })
            (await new Principals(streams).FindAsync(tenant, id))!.Keys.Should().HaveCount(id == holder ? 1 : 0, "the event and the row commit together");
    }

    [Fact]
    public async Task A_row_written_by_hand_stands_behind_no_event()
    {
        await There();
        var key = await NewKeys().IssueAsync(tenant, "user/ana", "real", null, null);
        await Execute($"insert into aios.api_keys (tenant_id, name, principal, hash) values ('{tenant}', 'forged', 'user/ana', sha256('aios_forged'))");
        var forged = await NewKeys().FindAsync("aios_forged");
        (await Ana())!.Holds(forged!.Hash).Should().BeFalse("the door asks this");
        (await Ana())!.Holds((await NewKeys().FindAsync(key))!.Hash).Should().BeTrue();
    }

    [Fact]
    public async Task Keys_from_before_there_were_principals_go_on_working_with_what_they_could()
    {
        var old = new PostgresFixture();
        await old.InitializeAsync();
        try
        {
            await OldSchema(old.DataSource, upTo: 4);
            await Execute("""
                insert into aios.api_keys (tenant_id, name, hash, roles, revoked_at) values
                ('default', 'owner', sha256('aios_owner'), '{owner}', null), ('default', 'mia', sha256('aios_mia'), '{manager,clerk}', null), ('default', 'rita', sha256('aios_rita'), '{clerk}', now())
                """, old.DataSource);
            await SchemaMigration.ApplyAsync(old.ConnectionString, default);

            var (view, then) = (new IdentityView(), new EventStreams(old.DataSource, new StreamSeal(new byte[StreamSeal.SecretBytes])));
            var keys = new Keys(then, old.DataSource, TimeProvider.System);
            (await keys.FindAsync("aios_mia")).Should().BeNull("she is nobody yet");
            await keys.AdoptAsync();
            await Execute("insert into aios.api_keys (tenant_id, name, hash, roles) values ('default', 'late', sha256('aios_late'), '{owner}')", old.DataSource);
            await keys.AdoptAsync();
            (await keys.FindAsync("aios_late")).Should().BeNull("once is once");
            await new Catalogue(then, [view], TimeProvider.System).FreshAsync();
            view.PrincipalsOf("default").Select(p => (p.Id, string.Join(' ', p.Roles))).Should().Equal(("user/mia", "manager clerk operator"), ("user/owner", "owner"));
            var mia = await keys.FindAsync("aios_mia");
            mia!.Principal.Should().Be("user/mia");
            view.Find("default", "user/mia")!.Holds(mia.Hash).Should().BeTrue();
            (await keys.FindAsync("aios_rita")).Should().BeNull();
            (await keys.RevokeAsync("default", "mia", "user/owner")).Should().BeTrue();
            (await keys.FindAsync("aios_mia")).Should().BeNull();
            await new Principals(then).SetRolesAsync("default", "user/mia", [], "user/owner"); // its stream goes on
        }
        finally
        {
            await old.DisposeAsync();
        }
    }

    private static async Task OldSchema(NpgsqlDataSource source, int upTo)
    {
        var assembly = typeof(PostgresStore).Assembly;
        await Execute("create schema aios; create table aios.schema_steps (step int primary key, name varchar not null, at timestamptz not null default now())", source);
        foreach (var (resource, step) in assembly.GetManifestResourceNames().Where(name => name.EndsWith(".sql", StringComparison.Ordinal)).Order(StringComparer.Ordinal).Select((name, i) => (name, i + 1)).Take(upTo))
        {
            using var reader = new StreamReader(assembly.GetManifestResourceStream(resource)!);
            await Execute(await reader.ReadToEndAsync(), source);
            await Execute($"insert into aios.schema_steps (step, name) values ({step}, 'old')", source);
        }
    }

    private Task Execute(string sql) => Execute(sql, database.Source);

    private static async Task Execute(string sql, NpgsqlDataSource source)
    {
        await using var command = source.CreateCommand(sql);
        await command.ExecuteNonQueryAsync();
    }
}
