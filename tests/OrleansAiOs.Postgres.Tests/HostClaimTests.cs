using System.Net;
using System.Net.Sockets;
using Npgsql;
using OrleansAiOs.Tests.Shared;

namespace OrleansAiOs.Postgres.Tests;

public sealed class HostClaimTests(PostgresFixture postgres) : IClassFixture<PostgresFixture>
{
    [Fact]
    public async Task A_host_whose_connection_the_network_forgot_takes_its_claim_again_from_its_own_other_end()
    {
        var direct = new NpgsqlConnectionStringBuilder(postgres.ConnectionString);
        await using var network = new ForgetfulNetwork(direct.Host!, direct.Port);
        await using var claim = await HostClaim.TakeAsync(new NpgsqlConnectionStringBuilder(postgres.ConnectionString) { Host = "127.0.0.1", Port = network.Port }.ConnectionString, shared: false, default);
        var lost = false;
        claim.Lost += () => lost = true;
        var before = await HolderAsync();
        before.Should().NotBeNull();
        network.Forget();
        using var giveUp = new CancellationTokenSource(TimeSpan.FromSeconds(30));
        while (await HolderAsync() is var holder && (holder is null || holder == before)) await Task.Delay(20, giveUp.Token);
        lost.Should().BeFalse("nobody else serves the database");
        var another = () => HostClaim.TakeAsync(postgres.ConnectionString, shared: false, default);
        await another.Should().ThrowAsync<StartRefusedException>();
    }

    private async Task<int?> HolderAsync()
    {
        await using var command = postgres.DataSource.CreateCommand("select l.pid from pg_locks l join pg_stat_activity a using (pid) where l.locktype = 'advisory' and l.granted and a.datname = current_database() and a.application_name = 'aios-claim'");
        return await command.ExecuteScalarAsync() as int?;
    }

    /// <summary>Carries connections, until it forgets them: the client's end breaks, and the server hears nothing of it.</summary>
    private sealed class ForgetfulNetwork : IAsyncDisposable
    {
        private readonly TcpListener listener = new(IPAddress.Loopback, 0);
        private readonly List<TcpClient> fronts = [], backs = [];
        private readonly string host;
        private readonly int port;

        public ForgetfulNetwork(string host, int port)
        {
            (this.host, this.port) = (host, port);
            listener.Start();
            _ = AcceptAsync();
        }

        public int Port => ((IPEndPoint)listener.LocalEndpoint).Port;

        public void Forget()
        {
            lock (fronts) foreach (var front in fronts) front.Client.Close(0);
        }

        public ValueTask DisposeAsync()
        {
            listener.Stop();
            lock (fronts) foreach (var end in fronts.Concat(backs)) end.Dispose();
            return default;
        }

        private async Task AcceptAsync()
        {
            try
            {
                while (true) _ = CarryAsync(await listener.AcceptTcpClientAsync());
            }
            catch (Exception e) when (e is SocketException or ObjectDisposedException)
            {
            }
        }

        private async Task CarryAsync(TcpClient front)
        {
            var back = new TcpClient();
            await back.ConnectAsync(host, port);
            lock (fronts)
            {
                fronts.Add(front);
                backs.Add(back);
            }
            await Task.WhenAll(CopyAsync(front, back), CopyAsync(back, front));
        }

        private static async Task CopyAsync(TcpClient from, TcpClient to)
        {
            try
            {
                await from.GetStream().CopyToAsync(to.GetStream());
            }
            catch (Exception e) when (e is IOException or SocketException or ObjectDisposedException or InvalidOperationException)
            {
            }
        }
    }
}
