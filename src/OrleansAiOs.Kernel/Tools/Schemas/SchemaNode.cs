using System.Text.Json;
using System.Text.RegularExpressions;

namespace OrleansAiOs.Kernel.Tools.Schemas;

/// <summary>One schema within a schema, read. What it does not say is null or empty.</summary>
internal sealed class SchemaNode
{
    /// <summary>False: no value is right (the schema "false").</summary>
    public bool AllowsAny { get; set; } = true;

    public string[]? Types { get; set; }

    public JsonElement? Const { get; set; }

    public JsonElement[]? Enum { get; set; }

    public decimal? Minimum { get; set; }

    public decimal? Maximum { get; set; }

    public decimal? Above { get; set; }

    public decimal? Below { get; set; }

    public decimal? MultipleOf { get; set; }

    public int? CharsMin { get; set; }

    public int? CharsMax { get; set; }

    public Regex? Pattern { get; set; }

    public int? ItemsMin { get; set; }

    public int? ItemsMax { get; set; }

    public bool UniqueItems { get; set; }

    public SchemaNode[] First { get; set; } = [];

    public SchemaNode? Items { get; set; }

    public SchemaNode? Contains { get; set; }

    public Dictionary<string, SchemaNode> Properties { get; set; } = [];

    public List<(Regex Name, SchemaNode Schema)> PatternProperties { get; } = [];

    public SchemaNode? Others { get; set; }

    public SchemaNode? Names { get; set; }

    public string[] Required { get; set; } = [];

    public Dictionary<string, string[]> DependentRequired { get; } = [];

    public int? MembersMin { get; set; }

    public int? MembersMax { get; set; }

    public SchemaNode[] All { get; set; } = [];

    public SchemaNode[]? Any { get; set; }

    public SchemaNode[]? One { get; set; }

    public SchemaNode? Not { get; set; }

    public (SchemaNode If, SchemaNode? Then, SchemaNode? Else)? Condition { get; set; }

    public SchemaNode? Referred { get; set; }
}
