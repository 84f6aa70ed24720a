using System.CommandLine;
using System.Text.Json;

namespace OrleansAiOs.Host.Cli;

/// <summary>aios schedules: what starts runs by the clock.</summary>
internal static class SchedulesCommand
{
    private static readonly string[] Overlaps = ["skip", "bufferOne", "allow", "cancelOther", "terminateOther"];

    public static Command Create(ClientOptions client) => new Command("schedules", "Make, list and steer schedules, which start runs by the clock.")
        .With(Set(client, "add", "Make a schedule.", HttpMethod.Post), List(client), Show(client), Set(client, "update", "Change a schedule. Say all of it; times before are dealt with.", HttpMethod.Put),
            Pause(client), Tell(client, "resume", "Let a paused schedule go on from now.", "goes on"), Trigger(client), Backfill(client), Remove(client));

    private static Argument<string> Name() => new("SCHEDULE") { Description = "The schedule's name." };

    private static Option<string?> Overlap(string otherwise)
    {
        var overlap = new Option<string?>("--overlap") { Description = $"If the run before is still open: {string.Join(", ", Overlaps)}. Default: {otherwise}." };
        overlap.AcceptOnlyFromAmong(Overlaps);
        return overlap;
    }

    private static Command Set(ClientOptions client, string verb, string what, HttpMethod method)
    {
        var id = Name();
        var cron = new Option<string>("--cron") { Description = "Minute, hour, day of the month, month, day of the week; or @daily and the like, or '@every 10m'.", Required = true };
        var zone = new Option<string?>("--zone") { Description = "The IANA time zone whose clocks are meant. Default: UTC." };
        var workflow = new Option<string>("--workflow") { Description = "The workflow to start.", Required = true };
        var input = new Option<string?>("--input") { Description = "Its input: JSON, @FILE, or - for stdin. Default: null.", HelpName = "JSON" };
        var businessKey = new Option<string?>("--business-key") { Description = "What people call the case.", HelpName = "KEY" };
        var priority = new Option<int?>("--priority") { Description = "The runs' priority, -100 to 100.", HelpName = "N" };
        var overlap = Overlap("skip");
        var catchUp = new Option<string?>("--catch-up") { Description = "How late a time may be made up for: 31d at most, and a minute always. Default: 1d.", HelpName = "SPAN" };
        var jitter = new Option<string?>("--jitter") { Description = "Put each time off by a part of this span: 1d at most, and no more than is between two times.", HelpName = "SPAN" };
        var paused = new Option<string?>("--paused") { Description = "Make it paused, for this reason.", HelpName = "REASON" };
        Symbol[] own = [id, cron, zone, workflow, input, businessKey, priority, overlap, catchUp, jitter];
        return client.Change(verb, what, method == HttpMethod.Post ? [.. own, paused] : own).Does(async call =>
        {
            var body = new ScheduleBody(call.Get(cron)!, new ScheduledStartBody(call.Get(workflow)!, await JsonArgument.ReadAsync(call.Get(input) ?? "null", call.Cancellation), call.Get(businessKey), call.Get(priority)),
                call.Get(id), call.Get(zone), call.Get(overlap), call.Get(catchUp), call.Get(jitter), method == HttpMethod.Post ? call.Get(paused) : null);
            return await client.SendAsync(call, method, method == HttpMethod.Post ? ApiPaths.Schedules : ApiPaths.Schedule(call.Get(id)), body,
                method == HttpMethod.Post ? $"made schedule {call.Get(id)}; aios schedules show {call.Get(id)} tells its next times" : $"{call.Get(id)} follows the new times");
        });
    }

    private static Command List(ClientOptions client) => client.Query("list", "List the schedules.").Does(call => client.ShowAsync<PageDocument<ScheduleDocument>>(call, ApiPaths.Schedules, page =>
    {
        if (page.Items.Count == 0) call.Terminal.Note("no schedules");
        else
            call.Terminal.Table(["schedule", "when", "zone", "starts", "next", "last", "started", "skipped", "failed"], page.Items.Select(schedule => (IEnumerable<Cell>)
                [schedule.Id, schedule.Cron, schedule.TimeZone, schedule.Workflow, schedule.Paused is null ? schedule.Next : $"paused: {schedule.Paused}", schedule.Last, $"{schedule.Started}", $"{schedule.Skipped}", $"{schedule.Failed}"]));
    }));

    private static Command Show(ClientOptions client)
    {
        var id = Name();
        return client.Query("show", "One schedule, with its next times.", id).Does(call => client.ShowAsync<ScheduleDocument>(call, ApiPaths.Schedule(call.Get(id)), schedule =>
        {
            call.Terminal.Line($"{schedule.Id}: {schedule.Cron} ({schedule.TimeZone}) starts {schedule.Workflow}; overlap {schedule.Overlap}{(schedule.CatchUp is null ? "" : $", catch-up {schedule.CatchUp}")}{(schedule.Jitter is null ? "" : $", jitter {schedule.Jitter}")}");
            call.Terminal.Line($"{schedule.Started} started, {schedule.Skipped} skipped, {schedule.Failed} failed{(schedule.Last is null ? "" : $"; last {schedule.Last}")}");
            if (schedule.Paused is { } why) call.Terminal.Line($"paused: {why}");
            if (schedule.Trouble is { } trouble) call.Terminal.Line($"trouble: {trouble}");
            foreach (var time in schedule.Upcoming ?? []) call.Terminal.Line($"  {Human.Time(time)}");
        }));
    }

    private static Command Pause(ClientOptions client)
    {
        var id = Name();
        var reason = new Option<string?>("--reason") { Description = "Why; kept in the history.", HelpName = "TEXT" };
        return client.Change("pause", "Start nothing until it is resumed.", id, reason).Does(call =>
            client.SendAsync(call, HttpMethod.Post, $"{ApiPaths.Schedule(call.Get(id))}/pause", new { reason = call.Get(reason) }, $"paused {call.Get(id)}"));
    }

    private static Command Tell(ClientOptions client, string verb, string what, string done)
    {
        var id = Name();
        return client.Change(verb, what, id).Does(call => client.SendAsync(call, HttpMethod.Post, $"{ApiPaths.Schedule(call.Get(id))}/{verb}", new { }, $"{call.Get(id)} {done}"));
    }

    private static Command Trigger(ClientOptions client)
    {
        var id = Name();
        var overlap = Overlap("the schedule's");
        return client.Change("trigger", "Start a run now, paused or not.", id, overlap).Does(call =>
            client.SendAsync(call, HttpMethod.Post, $"{ApiPaths.Schedule(call.Get(id))}/trigger", new { overlap = call.Get(overlap) }, $"triggered {call.Get(id)}"));
    }

    private static Command Backfill(ClientOptions client)
    {
        var id = Name();
        var from = new Option<DateTimeOffset>("--from") { Description = "The first moment (UTC unless it says otherwise).", HelpName = "TIME", Required = true, CustomParser = result => ListCommand.Time(result) ?? default };
        var to = new Option<DateTimeOffset>("--to") { Description = "The last moment.", HelpName = "TIME", Required = true, CustomParser = result => ListCommand.Time(result) ?? default };
        var overlap = Overlap("allow");
        return client.Change("backfill", "Start the runs of a span of the past, as if the schedule had been followed.", id, from, to, overlap).Does(async call =>
        {
            using var api = client.Connect(call);
            var json = await api.CommandAsync(HttpMethod.Post, $"{ApiPaths.Schedule(call.Get(id))}/backfill", new { from = call.Get(from), to = call.Get(to), overlap = call.Get(overlap) }, call.Cancellation);
            if (call.Get(client.Json)) call.Terminal.Json(json);
            else call.Terminal.Note($"{api.Read<BackfillDocument>(json).Times} times of {call.Get(id)} are filled in");
            return ExitCode.Done;
        });
    }

    private static Command Remove(ClientOptions client)
    {
        var id = Name();
        return client.Change("remove", "End a schedule. What it started goes on.", id).Does(call =>
            client.SendAsync(call, HttpMethod.Delete, ApiPaths.Schedule(call.Get(id)), null, $"removed {call.Get(id)}"));
    }

    private sealed record ScheduleBody(string Cron, ScheduledStartBody Start, string Id, string? TimeZone, string? Overlap, string? CatchUp, string? Jitter, string? Paused);

    private sealed record ScheduledStartBody(string Workflow, JsonElement Input, string? BusinessKey, int? Priority);
}
