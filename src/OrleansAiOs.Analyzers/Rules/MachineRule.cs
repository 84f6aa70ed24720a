using OrleansAiOs.Analyzers.Fixes;

namespace OrleansAiOs.Analyzers.Rules;

internal sealed class MachineRule() : Rule("AIOS008", "Workflow code asks which machine it runs on")
{
    private const string Says = "differs between the hosts a run may live on. Pass it in with the input, or read it in an activity; Record(() => …) keeps the first answer.";
    private const string Zone = "depends on the host's time zone. Convert with a zone you name: TimeZoneInfo.ConvertTime(Now, zone).";

    public override IEnumerable<Ban> Bans =>
    [
        new("System.Environment", "GetEnvironmentVariable GetEnvironmentVariables ExpandEnvironmentVariables GetCommandLineArgs CommandLine MachineName UserName UserDomainName ProcessId ProcessPath "
            + "ProcessorCount CurrentDirectory CurrentManagedThreadId OSVersion Version SystemDirectory GetFolderPath WorkingSet", Says) { Fix = (Fix.Record, "") },
        new("System.Environment", "SetEnvironmentVariable Exit FailFast", "acts on the whole host. A run ends by returning, or by throwing WorkflowFailedException."),
        new("System.AppContext", "BaseDirectory TryGetSwitch GetData", Says) { Fix = (Fix.Record, "") },
        new("System.Runtime.InteropServices.RuntimeInformation", "*", Says) { Fix = (Fix.Record, "") },
        new("System.OperatingSystem", "*", Says) { Fix = (Fix.Record, "") },
        new("System.Threading.Thread", "CurrentThread", Says),
        // Not SuppressFinalize and KeepAlive, which every Dispose may call: they ask nothing, and answer nothing.
        new("System.GC", "Collect CollectionCount GetAllocatedBytesForCurrentThread GetGCMemoryInfo GetGeneration GetTotalAllocatedBytes GetTotalMemory GetTotalPauseDuration MaxGeneration TryStartNoGCRegion WaitForFullGCApproach "
            + "WaitForFullGCComplete WaitForPendingFinalizers", Says),
        new("System.TimeZoneInfo", "Local", Zone),
        new("System.DateTime", "ToLocalTime", Zone),
        new("System.DateTimeOffset", "ToLocalTime LocalDateTime", Zone),
    ];
}
