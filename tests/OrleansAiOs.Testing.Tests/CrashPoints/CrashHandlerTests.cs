using System.Net;
using Points = OrleansAiOs.Testing.CrashPoints.CrashPoints;

namespace OrleansAiOs.Testing.Tests.CrashPoints;

public sealed class CrashHandlerTests
{
    private sealed class Receiver : HttpMessageHandler
    {
        public int Calls { get; private set; }

        protected override Task<HttpResponseMessage> SendAsync(HttpRequestMessage request, CancellationToken cancellationToken)
        {
            Calls++;
            return Task.FromResult(new HttpResponseMessage(HttpStatusCode.OK));
        }
    }

    [Fact]
    public async Task Each_HTTP_call_is_struck_once_in_every_mode()
    {
        List<(string? Struck, int Calls)> passes = [];
        var report = await Points.RunAsync(async points =>
        {
            var receiver = new Receiver();
            var killed = new TaskCompletionSource();
            points.OnKill = killed.SetResult;
            await Task.WhenAny(TwoCallsAsync(new HttpClient(points.Over(receiver))), killed.Task);
            passes.Add((points.Struck, receiver.Calls));
        });
        report.Failures.Should().BeEmpty();
        report.Struck.Values.Should().AllSatisfy(struck => struck.Should().Equal("GET http://receiver/1", "GET http://receiver/2"));
        passes.Select(pass => pass.Calls).Should().Equal(
            [1, 1, 2, /* its reply lost: */ 2, 2, 2, /* killed before: */ 0, 1, 2, /* killed after: */ 1, 2, 2],
            "what fails before is not done, and what a killed host had still to do is not done either");

        static async Task TwoCallsAsync(HttpClient client)
        {
            for (var i = 1; i <= 2; i++)
            {
                try
                {
                    await client.GetAsync(new Uri($"http://receiver/{i}"));
                }
                catch (HttpRequestException)
                {
                }
            }
        }
    }
}
