namespace OrleansAiOs.Packs.InvoiceToPay.Documents;

/// <summary>The real documents, which are not ours to ship: ../shared/data beside the repository, or AIOS_SHARED_DATA.</summary>
internal static class SharedData
{
    public static readonly string? Invoices = Find();

    private static string? Find()
    {
        if (Environment.GetEnvironmentVariable("AIOS_SHARED_DATA") is { Length: > 0 } stated) return Existing(stated);
        var folder = new DirectoryInfo(AppContext.BaseDirectory);
        while (folder is not null && !File.Exists(Path.Combine(folder.FullName, "OrleansAiOs.sln"))) folder = folder.Parent;
        return folder?.Parent is { } parent ? Existing(Path.Combine(parent.FullName, "shared", "data")) : null;
    }

    private static string? Existing(string data) => Path.Combine(data, "invoices") is var folder && Directory.Exists(folder) ? folder : null;
}

[AttributeUsage(AttributeTargets.Method)]
internal sealed class SharedDataTheoryAttribute : TheoryAttribute
{
    public SharedDataTheoryAttribute()
    {
        if (SharedData.Invoices is null) Skip = "The real documents are absent: put them in ../shared/data, or set AIOS_SHARED_DATA.";
    }
}

[AttributeUsage(AttributeTargets.Method)]
internal sealed class SharedDataFactAttribute : FactAttribute
{
    public SharedDataFactAttribute()
    {
        if (SharedData.Invoices is null) Skip = "The real documents are absent: put them in ../shared/data, or set AIOS_SHARED_DATA.";
    }
}
